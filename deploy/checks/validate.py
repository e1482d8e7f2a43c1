"""Holds manifests against the schemas of Kubernetes, KEDA and the Prometheus operator, and against
what this project promises of every pod and every Job.

    validate.py --program ARRIVAGE --configurations DIRECTORY FILE…

Prints a line for each problem, and ends with 1 if there is any. Every container's arguments are shown to
the program; each ConfigMap's arrivage.toml is written to the directory, to be shown to it as well.
"""

import argparse
import pathlib
import re
import subprocess
import sys

import kubernetes_validate
import pydantic
import yaml
from cloudcoil.models.keda import v1alpha1 as keda
from cloudcoil.models.prometheus_operator import v1 as prometheus

# The oldest that the chart takes, and the newest whose schema is here.
VERSIONS = ["1.29", "1.37"]
MODELS = {
    ("keda.sh/v1alpha1", "ScaledJob"): keda.ScaledJob,
    ("keda.sh/v1alpha1", "ScaledObject"): keda.ScaledObject,
    ("keda.sh/v1alpha1", "TriggerAuthentication"): keda.TriggerAuthentication,
    ("monitoring.coreos.com/v1", "ServiceMonitor"): prometheus.ServiceMonitor,
}
# processor.drain, where the configuration is silent.
DRAIN = 25


def schema_problems(document):
    model = MODELS.get((document["apiVersion"], document["kind"]))
    if model is None:
        yield from kubernetes_problems(document)
        return
    try:
        meant = model.model_validate(document)
    except pydantic.ValidationError as error:
        for problem in error.errors():
            yield f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        return
    yield from lost(document, meant.model_dump(mode="json", by_alias=True, exclude_unset=True))
    if document["kind"] == "ScaledJob":
        # The model knows it less strictly than Kubernetes does.
        spec = document["spec"]["jobTargetRef"]
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": spec}
        yield from kubernetes_problems(job)


def kubernetes_problems(document):
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            place = ".".join(str(part) for part in error.path)
            yield f"Kubernetes {version}: {place}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError:
            yield f"Kubernetes {version} has no {document['apiVersion']} {document['kind']}"


def lost(document, kept, place=""):
    """What the model did not take: keys that it does not know."""
    if isinstance(document, dict) and isinstance(kept, dict):
        for key, value in document.items():
            if key not in kept:
                yield f"{place}{key}: unknown"
            else:
                yield from lost(value, kept[key], f"{place}{key}.")
    elif isinstance(document, list) and isinstance(kept, list):
        for index, (value, other) in enumerate(zip(document, kept)):
            yield from lost(value, other, f"{place}{index}.")


def pods(document):
    """The pod specs in it, each with the Job spec that holds it, if one does."""
    spec = document.get("spec", {})
    match document["kind"]:
        case "Pod":
            yield spec, None
        case "Deployment":
            yield spec["template"]["spec"], None
        case "Job":
            yield spec["template"]["spec"], spec
        case "CronJob":
            job = spec["jobTemplate"]["spec"]
            yield job["template"]["spec"], job
        case "ScaledJob":
            job = spec["jobTargetRef"]
            yield job["template"]["spec"], job


def pod_problems(pod, drain):
    if pod["terminationGracePeriodSeconds"] < drain + 5:
        yield f"terminationGracePeriodSeconds does not outlast the drain of {drain} s"
    if not pod["securityContext"].get("runAsNonRoot"):
        yield "may run as root"
    if pod.get("automountServiceAccountToken") is not False:
        yield "has a token of the cluster's API"
    for container in pod["containers"]:
        security = container["securityContext"]
        if security.get("readOnlyRootFilesystem") is not True:
            yield "may write to its image"
        if security.get("allowPrivilegeEscalation") is not False:
            yield "may gain privileges"
        if security.get("capabilities", {}).get("drop") != ["ALL"]:
            yield "keeps capabilities"
        if "memory" not in container["resources"].get("limits", {}):
            yield "has no limit of memory"


def job_problems(pod, job):
    if pod.get("restartPolicy") != "Never":
        yield "podFailurePolicy needs restartPolicy Never"
    rules = job.get("podFailurePolicy", {}).get("rules", [])
    codes = [rule["onExitCodes"]["values"] for rule in rules if rule["action"] == "FailJob"]
    if codes != [[2, 3]]:
        yield "the exit codes 2 and 3 must fail the Job"
    conditions = [rule.get("onPodConditions") for rule in rules if rule["action"] == "Ignore"]
    if [{"type": "DisruptionTarget", "status": "True"}] not in conditions:
        yield "a disruption must not count as a failure"


def kind_problems(document):
    spec = document.get("spec", {})
    match document["kind"]:
        case "CronJob" if spec["concurrencyPolicy"] != "Forbid":
            yield "two of its Jobs could run at once"
        case "ScaledJob":
            yield from scaled_job_problems(spec)
        case "ScaledObject":
            for trigger in spec["triggers"]:
                if trigger["type"] == "postgresql" and "sum(outstanding)" not in trigger["metadata"]["query"]:
                    yield "replicas that load would be taken away: it must count outstanding"


def scaled_job_problems(spec):
    if spec.get("rollout", {}).get("strategy") != "gradual":
        yield "a change of it would kill Jobs that load"
    container = spec["jobTargetRef"]["template"]["spec"]["containers"][0]
    job_name = "metadata.labels['batch.kubernetes.io/job-name']"
    names = [entry.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath") for entry in container["env"]]
    if job_name not in names or "$(JOB_NAME)" not in container["args"]:
        yield "a retry would not take up the same arrival"
    strategy = spec.get("scalingStrategy", {}).get("strategy", "default")
    column = {"default": "outstanding", "accurate": "waiting"}.get(strategy)
    for trigger in spec["triggers"]:
        if "metricType" in trigger:
            yield "KEDA refuses metricType in a ScaledJob"
        if f"sum({column})" not in trigger["metadata"]["query"]:
            yield f"the strategy {strategy} must count {column}"


def reference_problems(documents):
    """Names that lead nowhere within one rendering."""
    there = {(document["kind"], document["metadata"]["name"]) for document in documents}
    labels = [d["spec"]["template"]["metadata"]["labels"] for d in documents if d["kind"] == "Deployment"]
    for document in documents:
        where = f"{document['kind']} {document['metadata']['name']}"
        wanted = []
        for pod, _ in pods(document):
            wanted.append(("ServiceAccount", pod["serviceAccountName"]))
            wanted += [("ConfigMap", v["configMap"]["name"]) for v in pod["volumes"] if "configMap" in v]
        spec = document.get("spec", {})
        for trigger in spec.get("triggers", []):
            wanted.append(("TriggerAuthentication", trigger["authenticationRef"]["name"]))
        if document["kind"] == "ScaledObject":
            wanted.append(("Deployment", spec["scaleTargetRef"]["name"]))
        for kind, name in wanted:
            if (kind, name) not in there:
                yield f"{where}: there is no {kind} {name}"
        if document["kind"] in ("Service", "PodDisruptionBudget"):
            selector = spec["selector"].get("matchLabels", spec["selector"])
            if not any(selector.items() <= of.items() for of in labels):
                yield f"{where}: it selects no Deployment's pods"
    names = [(d["apiVersion"], d["kind"], d["metadata"]["name"]) for d in documents]
    for name in {name for name in names if names.count(name) > 1}:
        yield f"{' '.join(name)}: there are two"


def problems(documents):
    configurations = [d["data"]["arrivage.toml"] for d in documents if d["kind"] == "ConfigMap"]
    drains = re.findall(r'^\s*drain\s*=\s*"(\d+)s"', "\n".join(configurations), re.MULTILINE)
    drain = max([DRAIN, *map(int, drains)])
    for document in documents:
        found = list(schema_problems(document))
        found += kind_problems(document)
        for pod, job in pods(document):
            found += pod_problems(pod, drain)
            if job is not None:
                found += job_problems(pod, job)
        for problem in found:
            yield f"{document['kind']} {document['metadata']['name']}: {problem}"
    yield from reference_problems(documents)


def argument_problems(program, documents):
    """What the program does not understand: it complains about that before it reads anything."""
    nowhere = "/no/such/arrivage.toml"
    commands = {tuple(c["args"]) for d in documents for pod, _ in pods(d) for c in pod["containers"]}
    for arguments in sorted(commands):
        told = subprocess.run([program, *arguments, "--config", nowhere], capture_output=True, text=True)
        if nowhere not in told.stderr:
            yield f"arrivage {' '.join(arguments)}: {told.stderr.splitlines()[0]}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--configurations", type=pathlib.Path, required=True)
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()
    count = 0
    for file in arguments.files:
        documents = [d for d in yaml.safe_load_all(file.read_text()) if d is not None]
        if not documents:
            print(f"{file}: it holds nothing")
            count += 1
        for problem in [*problems(documents), *argument_problems(arguments.program, documents)]:
            print(f"{file}: {problem}")
            count += 1
        for document in documents:
            if document["kind"] == "ConfigMap":
                (arguments.configurations / f"{file.stem}.toml").write_text(document["data"]["arrivage.toml"])
    sys.exit(1 if count else 0)


if __name__ == "__main__":
    main()
