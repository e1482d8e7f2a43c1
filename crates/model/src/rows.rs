use crate::ColumnType;

/// A column of [`Rows`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowColumn {
    /// In the table.
    pub name: String,
    /// What its values were validated for.
    pub kind: ColumnType,
}

/// Where a record stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// 1 is the first after the header.
    pub record: u64,
    /// The line where it begins; 1 is the file's first.
    pub line: u64,
    /// Where it begins, in bytes of the decompressed stream.
    pub byte_offset: u64,
    /// Its length with its line end, in bytes.
    pub length: usize,
}

/// Validated records, ready for the table: for each the text that its database
/// type reads back exactly, or NULL.
///
/// The texts are canonical: digits without blanks and with a point as decimal
/// mark, `t` and `f`, ISO dates and times, `\x…` for bytes.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    width: usize,
    text: Vec<u8>,
    /// Where each cell ends in `text`; the top bit marks NULL.
    cells: Vec<u32>,
    places: Vec<Place>,
}

const NULL: u32 = 1 << 31;

impl Rows {
    /// No rows yet, of so many columns each.
    #[must_use]
    pub fn new(width: usize) -> Self {
        Self {
            width,
            ..Self::default()
        }
    }

    /// No rows, of so many columns each, in the memory of these.
    #[must_use]
    pub fn emptied(mut self, width: usize) -> Self {
        self.width = width;
        self.text.clear();
        self.cells.clear();
        self.places.clear();
        self
    }

    /// Columns of each row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many rows are complete.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Makes room for so many rows more, with so many bytes of text.
    pub fn reserve(&mut self, rows: usize, text: usize) {
        self.text.reserve_exact(text);
        self.cells.reserve_exact(rows * self.width);
        self.places.reserve_exact(rows);
    }

    /// The texts of all cells, in bytes.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// What it holds on the heap, in bytes.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.heap_bytes_for(0, 0)
    }

    /// What it would hold with room for so many rows in all, with so many bytes of text.
    #[must_use]
    pub fn heap_bytes_for(&self, rows: usize, text: usize) -> usize {
        self.text.capacity().max(text)
            + self.cells.capacity().max(rows * self.width) * size_of::<u32>()
            + self.places.capacity().max(rows) * size_of::<Place>()
    }

    /// Adds a cell to the row in the making: what `write` appends to the text.
    /// An error leaves the row as it was.
    pub fn push<E>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        let start = self.text.len();
        if let Err(error) = write(&mut self.text) {
            self.text.truncate(start);
            return Err(error);
        }
        self.cells.push(self.end());
        Ok(())
    }

    /// Adds a NULL to the row in the making.
    pub fn push_null(&mut self) {
        self.cells.push(self.end() | NULL);
    }

    /// Completes the row in the making.
    ///
    /// # Panics
    /// When it has not as many cells as there are columns.
    pub fn complete(&mut self, place: Place) {
        assert_eq!(
            self.cells.len(),
            (self.len() + 1) * self.width,
            "a row is as wide as its table"
        );
        self.places.push(place);
    }

    /// Forgets the row in the making.
    pub fn discard(&mut self) {
        self.cells.truncate(self.len() * self.width);
        let end = self.cells.last().map_or(0, |end| end & !NULL);
        self.text.truncate(end as usize);
    }

    /// Where the records of these rows stand.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// The cells of one row; `None` is NULL.
    pub fn cells(&self, row: usize) -> impl Iterator<Item = Option<&[u8]>> {
        let first = row * self.width;
        let mut start = match first {
            0 => 0,
            _ => self.cells[first - 1] & !NULL,
        };
        self.cells[first..first + self.width]
            .iter()
            .map(move |&cell| {
                let text = &self.text[start as usize..(cell & !NULL) as usize];
                start = cell & !NULL;
                (cell & NULL == 0).then_some(text)
            })
    }

    fn end(&self) -> u32 {
        let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        assert!(end < NULL, "a chunk is far smaller than 2 GiB");
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(rows: &Rows, row: usize) -> Vec<Option<String>> {
        let own = |cell: &[u8]| String::from_utf8_lossy(cell).into_owned();
        rows.cells(row).map(|cell| cell.map(own)).collect()
    }

    fn push(rows: &mut Rows, value: &str) {
        let write = |out: &mut Vec<u8>| {
            out.extend_from_slice(value.as_bytes());
            Ok::<(), ()>(())
        };
        rows.push(write).expect("writes");
    }

    #[test]
    fn what_was_pushed_is_read_back_and_a_discarded_row_leaves_nothing() {
        let place = Place {
            record: 1,
            line: 1,
            byte_offset: 0,
            length: 3,
        };
        let mut rows = Rows::new(2);
        push(&mut rows, "");
        rows.push_null();
        rows.complete(place);
        push(&mut rows, "lost");
        assert!(
            rows.push(|out| {
                out.push(b'x');
                Err(())
            })
            .is_err()
        );
        rows.discard();
        rows.push_null();
        push(&mut rows, "b");
        rows.complete(Place { record: 3, ..place });
        assert_eq!(rows.len(), 2);
        assert_eq!(text(&rows, 0), [Some(String::new()), None]);
        assert_eq!(text(&rows, 1), [None, Some("b".to_owned())]);
        assert_eq!(rows.places()[1].record, 3);
        let held = rows.heap_bytes();
        let mut rows = rows.emptied(1);
        assert!(rows.is_empty());
        assert_eq!((rows.width(), rows.text_bytes()), (1, 0));
        push(&mut rows, "c");
        rows.complete(place);
        assert_eq!(text(&rows, 0), [Some("c".to_owned())]);
        assert_eq!(rows.heap_bytes(), held, "in the same memory");
    }
}
