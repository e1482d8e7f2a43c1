use anyhow::Result;
use arrivage_tests::Arrivage;

#[tokio::test]
async fn every_problem_is_named_with_its_place() -> Result<()> {
    let arrivage = Arrivage::verbatim(
        "[database]\nurl = \"sqlite://a.db\"\n\n[processor]\nworkers = \"many\"\n\n\
         [[pipeline]]\nname = \"orders\"\nmatch = [\"in/*.csv\"]\ntable = \"orders\"\n\
         [[pipeline.column]]\nname = \"at\"\ntype = \"dat\"\n",
    )?;
    let commands: [&[&str]; 4] = [&["run"], &["load", "x"], &["check"], &["process"]];
    for command in commands {
        let ended = arrivage.run(command).await?.expect(2);
        ended
            .says("arrivage.toml:5: processor.workers")
            .says("arrivage.toml:13: pipeline.orders.column[0].type")
            .says("did you mean \"date\"?");
    }
    Ok(())
}

#[tokio::test]
async fn it_is_found_where_it_is_said_to_be() -> Result<()> {
    let arrivage = Arrivage::verbatim("[database]\nurl = \"${WHERE}\"\n")?;
    arrivage.run(&["migrate"]).await?.expect(2).says("WHERE");
    arrivage.file(
        "other/arrivage.toml",
        "[database]\nurl = \"sqlite://here.db\"\n",
    )?;
    arrivage
        .run(&["migrate", "--config", "other/arrivage.toml"])
        .await?
        .expect(0);
    assert!(
        arrivage.path("other/here.db").is_file(),
        "paths begin where the configuration is"
    );
    let arrivage = arrivage.env([("WHERE", "sqlite://${NOT_AGAIN}.db")]);
    arrivage.run(&["migrate"]).await?.expect(0);
    assert!(
        arrivage.path("${NOT_AGAIN}.db").is_file(),
        "a value is not replaced in turn"
    );
    let arrivage = arrivage.env([("ARRIVAGE_CONFIG", "nowhere.toml")]);
    arrivage
        .run(&["migrate"])
        .await?
        .expect(2)
        .says("nowhere.toml");
    Ok(())
}

#[tokio::test]
async fn the_command_line_is_explained() -> Result<()> {
    let arrivage = Arrivage::verbatim("")?;
    arrivage
        .run(&["--version"])
        .await?
        .expect(0)
        .says("arrivage 0.");
    arrivage.run(&["--help"]).await?.expect(0).says("process");
    arrivage.run(&["lod"]).await?.expect(2).says("load");
    arrivage.run(&["arrivals", "--limit", "0"]).await?.expect(2);
    Ok(())
}
