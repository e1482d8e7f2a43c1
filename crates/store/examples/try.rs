use arrivage_model::Location;
use arrivage_store::*;
#[tokio::main]
async fn main() {
    let endpoint = std::env::args().nth(1).filter(|e| e != "-");
    let region = std::env::args().nth(2);
    let store = S3Store::new(S3Settings {
        aws: AwsSettings {
            endpoint,
            region,
            ..Default::default()
        },
        path_style: true,
    });
    for _ in 0..2 {
        let begun = std::time::Instant::now();
        let e = store.head(&Location::s3("drop", "a"), None).await;
        println!("{:?} {e:?}", begun.elapsed());
        let begun = std::time::Instant::now();
        let e = store.list("drop", "", None).await;
        println!("{:?} {e:?}", begun.elapsed());
    }
}
