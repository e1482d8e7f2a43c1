//! The gateway writes to a bucket that announces its objects to a queue.

/// The bucket and the queue are ministack's.
mod ministack {
    use anyhow::Result;
    use arrivage_testkit::{Ministack, eventually};
    use arrivage_tests::{Delivery, Destination, on_both};

    use crate::gateway::{By, Gateway};
    use crate::world::{PATIENCE, World};

    on_both!(
        an_upload_in_place_is_announced_twice_and_loaded_once,
        the_objects_of_a_rename_are_ignored_but_the_last,
        a_gateway_with_a_cache_announces_the_whole_file_alone,
        a_cut_upload_is_announced_and_replaced_by_the_whole,
    );

    /// 600 kB: two seconds and more of the client's bandwidth.
    const RECORDS: u64 = 8000;

    const CACHE: [&str; 4] = ["--vfs-cache-mode", "writes", "--vfs-write-back", "1s"];

    async fn begin(
        to: Destination,
        flags: &[&str],
        mode: &str,
    ) -> Result<(World, Gateway, String)> {
        let ministack = Ministack::shared().await?;
        let place = ministack.place().await?;
        let source = format!(
            "[s3]\nendpoint = \"{}\"\npath_style = true\n\n[[source]]\nkind = \"sqs\"\nqueue_url = \"{}\"\n",
            ministack.endpoint(),
            place.queue_url
        );
        // It takes an `a.csv.part` as well, which is ignored by its name.
        let pattern = format!("s3://{}/**/*.csv*", place.bucket);
        let mut world = World::new(to, &source, &pattern, mode)?.env(ministack.environment());
        world.run().await?;

        let mut environment = ministack.environment().to_vec();
        environment.extend([
            ("RCLONE_S3_PROVIDER", "Other".to_owned()),
            ("RCLONE_S3_ENV_AUTH", "true".to_owned()),
            ("RCLONE_S3_ENDPOINT", ministack.endpoint().to_owned()),
        ]);
        let bucket = format!(":s3:{}", place.bucket);
        let gateway = Gateway::before(&bucket, flags, &environment).await?;
        Ok((world, gateway, place.bucket))
    }

    /// Once for its bytes, and once for its modification time, which the gateway keeps by copying
    /// the object onto itself.
    async fn an_upload_in_place_is_announced_twice_and_loaded_once(to: Destination) -> Result<()> {
        let (world, gateway, _) = begin(to, &[], "append").await?;
        let delivery = Delivery::new(1, RECORDS);
        gateway.upload("a.csv", delivery.csv(), By::InPlace).await?;
        let id = world.loaded("a.csv", 1).await;
        let told_again = "SELECT sum(duplicate_notifications) FROM arrivage.arrivals";
        eventually(PATIENCE, "the second notification", async || {
            (world.to.count(told_again).await > 0).then_some(())
        })
        .await;
        assert_eq!(world.arrivals().await?, "a.csv|loaded");
        delivery.check(&world.to, id).await
    }

    /// A bucket knows no rename: it is a copy and a delete, and the object of the other name was
    /// announced before.
    async fn the_objects_of_a_rename_are_ignored_but_the_last(to: Destination) -> Result<()> {
        let (world, gateway, _) = begin(to, &[], "append").await?;
        let delivery = Delivery::new(2, RECORDS);
        gateway
            .upload("a.csv", delivery.csv(), By::Rename(".part"))
            .await?;
        let id = world.loaded("a.csv", 1).await;
        let ignored = "SELECT count(*) FROM arrivage.ignored WHERE key LIKE 'a.csv.%.part'";
        eventually(PATIENCE, "the other name to be ignored", async || {
            (world.to.count(ignored).await > 0).then_some(())
        })
        .await;
        assert_eq!(world.arrivals().await?, "a.csv|loaded");
        delivery.check(&world.to, id).await
    }

    /// It takes the rename and the modification time before it writes to the bucket.
    async fn a_gateway_with_a_cache_announces_the_whole_file_alone(to: Destination) -> Result<()> {
        let (world, gateway, _) = begin(to, &CACHE, "append").await?;
        let delivery = Delivery::new(3, RECORDS);
        for name in ["a.csv", "b.csv"] {
            gateway
                .upload(name, delivery.csv(), By::Rename(".part"))
                .await?;
            let id = world.loaded(name, 1).await;
            delivery.check(&world.to, id).await?;
        }
        // Whatever else was said of the first came before the second.
        let duplicates = "SELECT sum(duplicate_notifications) FROM arrivage.arrivals \
            WHERE key = 'a.csv'";
        assert_eq!(world.to.count(duplicates).await, 0);
        let ignored = "SELECT count(*) FROM arrivage.ignored WHERE key LIKE 'a.csv%'";
        assert_eq!(world.to.count(ignored).await, 0);
        assert_eq!(world.arrivals().await?, "a.csv|loaded\nb.csv|loaded");
        Ok(())
    }

    /// The gateway closes the object as if its client had; its notification is like any other. In
    /// `replace` mode the upload of the whole mends it.
    async fn a_cut_upload_is_announced_and_replaced_by_the_whole(to: Destination) -> Result<()> {
        let (world, gateway, bucket) = begin(to, &CACHE, "replace").await?;
        let delivery = Delivery::new(4, RECORDS);
        let mut client = gateway.begin_upload("a.csv", delivery.csv(), By::InPlace)?;
        eventually(PATIENCE, "some of the file to come", async || {
            (gateway.cached(&bucket, "a.csv") > 0).then_some(())
        })
        .await;
        client.kill9()?;
        let part = world.loaded("a.csv", 1).await;
        let came = world.records(part).await;
        assert!(came > 0 && came < RECORDS, "{came}");

        gateway.upload("a.csv", delivery.csv(), By::InPlace).await?;
        let whole = world.loaded("a.csv", 2).await;
        delivery.check(&world.to, whole).await?;
        assert_eq!(world.rows().await, world.rows_of(whole).await);
        Ok(())
    }
}
