use arrivage_model::Location;
use arrivage_store::{AccessKey, AwsSettings, S3Settings};
use arrivage_testkit::S3Server;

use super::*;
use crate::listing::{Lister, ListingSource};

/// A bucket that is listed; the objects in it are what is said.
pub(super) struct Listing {
    s3: S3Server,
}

#[async_trait(?Send)]
impl Subject for Listing {
    async fn new() -> Result<Self> {
        let s3 = S3Server::start().await?;
        s3.create_bucket("drop");
        Ok(Self { s3 })
    }

    fn stores(&self, _: &World) -> Stores {
        let aws = AwsSettings {
            endpoint: Some(self.s3.endpoint().to_owned()),
            region: Some(S3Server::REGION.to_owned()),
            access_key: Some(AccessKey {
                id: S3Server::ACCESS_KEY.to_owned(),
                secret: S3Server::SECRET_KEY.to_owned(),
            }),
            ..AwsSettings::default()
        };
        let settings = S3Settings {
            aws,
            path_style: true,
            ..S3Settings::default()
        };
        Stores::new(settings, Default::default())
    }

    async fn announce(&mut self, _: &World, key: &str) -> Result<()> {
        self.s3.put("drop", key, key.as_bytes().to_vec());
        Ok(())
    }

    async fn say(&mut self, _: &str) -> Result<bool> {
        Ok(false)
    }

    async fn kept(&mut self) -> Result<Option<usize>> {
        Ok(None)
    }

    fn work(&self, with: With) -> BoxFuture<'static, ()> {
        let source = ListingSource {
            name: SOURCE.to_owned(),
            location: Location::s3("drop", ""),
            every: Duration::from_millis(200),
            since: None,
        };
        let lister = Lister::new(source, with.intake, with.monitor);
        Box::pin(lister.run(with.stop))
    }

    async fn die_before_acknowledging(&mut self, with: With) -> Result<()> {
        die_after_recording(self, with).await
    }
}
