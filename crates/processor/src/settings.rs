use std::time::Duration;

/// How a processor works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Arrivals loaded at the same time.
    pub workers: usize,
    /// Connections that load one arrival at the same time.
    pub connections: usize,
    /// Threads that decode one arrival at the same time, while no other one is loaded.
    pub decoders: usize,
    /// What the process may use, in bytes; code and clients need a part of it.
    pub memory: u64,
    /// How long a claim stands without a renewal.
    pub lease: Duration,
    /// How long a load may go without progress before it is let go.
    pub stall: Duration,
    /// How often to look for work; jittered.
    pub poll: Duration,
    /// How long the rejects of arrivals that rest are kept; without it, for ever.
    pub retention: Option<Duration>,
    /// Names this process in the ledger.
    pub owner: String,
}

/// Settings that cannot work together.
#[derive(Debug, thiserror::Error)]
#[error(
    "processor.memory = {memory} is too small for {workers} workers and {decoders} decoders; set it to {needed} at least"
)]
pub struct SettingsError {
    memory: u64,
    workers: usize,
    decoders: usize,
    needed: u64,
}

const MIB: u64 = 1 << 20;

/// What code, clients and runtime use before any file is read.
const BASE: u64 = 24 * MIB;

/// What each decoder but the first keeps besides its chunk.
const DECODER: u64 = 4 * MIB;

/// One thread cuts a file about as fast as so many decode it.
const MOST_DECODERS: usize = 4;

/// The smallest and the largest chunk, in bytes of memory.
const CHUNK: std::ops::RangeInclusive<u64> = 256 * 1024..=8 * MIB;

impl Settings {
    /// Whether the memory is enough for the workers.
    pub fn check(&self) -> Result<(), SettingsError> {
        let needed = self.base() + self.chunks() * CHUNK.start() * 2;
        if self.memory >= needed {
            return Ok(());
        }
        Err(SettingsError {
            memory: self.memory,
            workers: self.workers,
            decoders: self.decoders,
            needed,
        })
    }

    /// How many decoders are of use on so many cores: the database and what is around them
    /// need some as well, what more decode than connections take only waits, and the memory
    /// has to be enough.
    #[must_use]
    pub fn decoders_for(&self, cores: usize) -> usize {
        let most = (cores / 2).min(self.connections).min(MOST_DECODERS);
        let fits = |decoders: &usize| {
            let decoders = *decoders;
            let settings = Self {
                decoders,
                ..self.clone()
            };
            settings.check().is_ok()
        };
        (1..=most).rev().find(fits).unwrap_or(1)
    }

    fn base(&self) -> u64 {
        BASE + self.decoders.saturating_sub(1) as u64 * DECODER
    }

    /// Chunks that exist at the same time: of each worker one that fills, one
    /// that waits, and one on each connection.
    fn chunks(&self) -> u64 {
        (self.workers * (self.connections + 2)) as u64
    }

    /// The same while one worker alone has something to load: then each decoder fills one,
    /// and one is cut for them.
    fn chunks_alone(&self) -> u64 {
        let filling = match self.decoders {
            0 | 1 => 1,
            several => several + 1,
        };
        (self.connections + 1 + filling) as u64
    }

    /// The memory that chunks share, in bytes.
    pub(crate) fn chunk_memory(&self) -> u64 {
        let left = self.memory.saturating_sub(self.base());
        (left / 2).max(self.chunks() * CHUNK.start())
    }

    /// What a chunk may hold, in bytes of memory.
    pub(crate) fn chunk_bytes(&self) -> usize {
        self.share(self.chunks())
    }

    /// The same while one worker alone has something to load: then its chunks share all of
    /// the memory.
    pub(crate) fn chunk_bytes_alone(&self) -> usize {
        self.share(self.chunks_alone())
    }

    fn share(&self, chunks: u64) -> usize {
        let share = self.chunk_memory() / chunks;
        usize::try_from(share.clamp(*CHUNK.start(), *CHUNK.end())).unwrap_or(usize::MAX)
    }

    /// The largest window that a decompressor may keep, in bytes.
    pub(crate) fn window(&self) -> u64 {
        self.memory / self.windows()
    }

    /// Windows that the memory has room for, if it had nothing else to hold.
    pub(crate) fn windows(&self) -> u64 {
        4 * self.workers.max(1) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(memory: u64, workers: usize) -> Settings {
        Settings {
            workers,
            connections: 2,
            decoders: 1,
            memory,
            lease: Duration::from_secs(60),
            stall: Duration::from_secs(600),
            poll: Duration::from_secs(1),
            retention: None,
            owner: "test".to_owned(),
        }
    }

    #[test]
    fn decoders_are_as_many_as_cores_connections_and_memory_allow() {
        let settings = |memory, connections| Settings {
            connections,
            ..settings(memory, 2)
        };
        let check = |memory, connections, cores, expect| {
            let found = settings(memory * MIB, connections).decoders_for(cores);
            assert_eq!(found, expect, "{memory} MiB, {connections}, {cores} cores");
        };
        check(64, 2, 1, 1);
        check(64, 2, 2, 1);
        check(64, 2, 4, 2);
        check(64, 2, 64, 2);
        check(64, 8, 64, 4);
        check(32, 2, 64, 2);
        check(30, 2, 64, 1);
        check(1, 2, 64, 1);
    }

    #[test]
    fn chunks_fit_the_memory_that_is_left_beside_the_program() {
        for memory in [64 * MIB, 128 * MIB, 1024 * MIB] {
            let settings = settings(memory, 2);
            assert!(settings.check().is_ok());
            let all = settings.chunk_bytes() as u64 * settings.chunks();
            assert!(all + BASE <= memory, "{all} of {memory}");
        }
        for decoders in 1..=4 {
            let settings = Settings {
                decoders,
                ..settings(64 * MIB, 2)
            };
            let all = settings.chunk_bytes_alone() as u64 * settings.chunks_alone();
            assert!(all <= settings.chunk_memory(), "{all} for {decoders}");
        }
        assert!(settings(64 * MIB, 100).check().is_err());
        let many = Settings {
            decoders: 16,
            ..settings(64 * MIB, 2)
        };
        assert!(many.check().is_err());
        assert!(settings(8 * MIB, 1).check().is_err());
    }
}
