use anyhow::Result;
use arrivage_tests::{Arrivage, Destination, on_both};

use crate::items::{create_items, items, pipeline};

on_both!(all_is_well, each_defect_is_named);

async fn all_is_well(to: Destination) -> Result<()> {
    let arrivage = items(&to, "")?;
    create_items(&to).await?;
    arrivage.run(&["migrate"]).await?.expect(0);
    let checked = arrivage.run(&["check"]).await?.expect(0);
    assert!(!checked.stdout.contains("FAIL"), "{checked}");
    let checked = arrivage.run(&["check", "--json"]).await?.expect(0);
    assert!(
        checked.json().iter().all(|finding| finding["ok"] == true),
        "{checked}"
    );
    Ok(())
}

async fn each_defect_is_named(to: Destination) -> Result<()> {
    let arrivage = items(&to, "")?;
    create_items(&to).await?;
    arrivage
        .run(&["check"])
        .await?
        .expect(2)
        .says("arrivage migrate");
    arrivage.run(&["migrate"]).await?.expect(0);

    // Everything is looked at, whatever is found first.
    let folder = "[[source]]\nkind = \"folder\"\nname = \"in\"\npath = \"nowhere\"\n";
    let nameless =
        pipeline("[[pipeline.column]]\nname = \"nome\"").replace("\"items\"", "\"nameless\"");
    let nameless = nameless.replace("table = \"nameless\"", "table = \"items\"");
    let tableless = pipeline("").replace("\"items\"", "\"tableless\"");
    let configuration = [folder, &pipeline(""), &nameless, &tableless].concat();
    arrivage.configure(&to.url(), &configuration)?;
    let checked = arrivage.run(&["check"]).await?.expect(2);
    let failed: Vec<&str> = checked
        .stdout
        .lines()
        .filter(|line| line.contains("FAIL"))
        .collect();
    assert_eq!(failed.len(), 3, "{checked}");
    for (line, words) in failed.iter().zip([
        ["table items of pipeline nameless", "nome"],
        ["table tableless of pipeline tableless", "create"],
        ["nowhere", "make the folder"],
    ]) {
        assert!(words.iter().all(|word| line.contains(word)), "{line}");
    }
    Ok(())
}

#[tokio::test]
async fn an_unreachable_database_may_come_back_on_postgres() -> Result<()> {
    let arrivage = Arrivage::new("postgres://postgres@127.0.0.1:1/none", &pipeline(""))?;
    arrivage
        .run(&["check"])
        .await?
        .expect(1)
        .says("FAIL database");
    Ok(())
}

#[tokio::test]
async fn a_missing_bucket_and_a_missing_queue_are_named_by_ministack() -> Result<()> {
    let to = Destination::sqlite()?;
    create_items(&to).await?;
    let ministack = arrivage_testkit::Ministack::shared().await?;
    let configuration = format!(
        "[s3]\npath_style = true\n[[source]]\nkind = \"sqs\"\nqueue_url = \"{}/000000000000/none\"\n{}",
        ministack.endpoint(),
        pipeline("").replace("in/**", "s3://no-such-bucket/**")
    );
    let arrivage = Arrivage::new(&to.url(), &configuration)?.env(ministack.environment());
    arrivage.run(&["migrate"]).await?.expect(0);
    let checked = arrivage.run(&["check"]).await?.expect(2);
    checked
        .says("FAIL bucket no-such-bucket")
        .says("FAIL queue")
        .says("create it");
    Ok(())
}
