//! What the suite of all sources does not know of.

use anyhow::Result;
use arrivage_testkit::RabbitMq;

use super::*;

#[tokio::test]
async fn rabbitmq_what_a_person_has_to_mend_is_said() -> Result<()> {
    let server = RabbitMq::shared().await?;
    let check = async |url: &str, expect: &str| {
        let source = AmqpSource {
            name: "amqp".to_owned(),
            url: ServerUrl::parse(url, &["amqp"]).expect("a URL"),
            queue: "nowhere".to_owned(),
            unreadable: UnreadablePolicy::Record,
        };
        let problem = check_amqp(&source).await.expect_err(expect);
        assert!(problem.contains(expect), "{problem}");
        assert!(!problem.contains("hush"), "{problem}");
    };
    check(server.url(), "there is no queue nowhere").await;
    let wrong = server.url().replace("guest:guest", "guest:hush");
    check(&wrong, "does not let us in").await;
    check(
        &format!("{}/nowhere", server.url()),
        "there is no virtual host",
    )
    .await;
    Ok(())
}
