"""The command line of the preflight; it only reads options and prints what `runner` found."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from validation.checks.storage.options import Encryption, Limits, Options, Size, Style, Wal
from validation.reports import table
from validation.run.progress import Reporter, flush_streams
from validation.suites.preflight import report, runner

HELP = """Ask an object store whether Milvus can live on it, before Milvus is installed.

The preflight uses the very key, CA and address that Milvus will use. It looks at name, certificate, clock, key, bucket, permissions,
conditional writes, consistency, checksums and settings, then measures latency and throughput at the sizes that Milvus writes. It
writes below preflight-<run>/ in the bucket, never below the root path, and removes all of it when it ends, also by Ctrl-C.

The key comes from a Secret, from files or from an AWS profile, never from the command line.

Exit codes: 0 PASS, 0 WARN (1 with --strict), 1 FAIL (the store answers, and Milvus would fail on it: a certificate, a permission, a
missing feature, a setting), 2 ERROR (usage, configuration, or interrupted), 3 INVALID (busy all the time, or not enough could be
measured to say anything), 4 UNREACHABLE (name, address or port do not answer, or the store stopped answering). report.json is written
in every case, and the last line is always RESULT: and the word.

Examples:

    python -m validation preflight --stack lab

    python -m validation preflight --endpoint https://x10000.example.net --bucket rag-milvus --ca-file ca.crt --profile rag-milvus

    python -m validation preflight --endpoint https://10.0.0.1:443 --bucket b --credential-dir /run/credential --no-performance
"""

_StoreOption = Annotated[str | None, typer.Option(help="https://host[:port] of the S3 API. Default: the stack's.")]


def preflight(
    *,
    stack: Annotated[str | None, typer.Option(help="Pulumi stack whose outputs name the store; Milvus's may be missing.")] = None,
    target: Annotated[Path | None, typer.Option(help="File with the same outputs as JSON, instead of --stack.")] = None,
    endpoint: _StoreOption = None,
    bucket: Annotated[str | None, typer.Option(help="Milvus's bucket. Default: the stack's.")] = None,
    root_path: Annotated[str | None, typer.Option(help="Prefix of Milvus's objects. Default: the stack's, else milvus.")] = None,
    region: Annotated[str | None, typer.Option(help="Region that requests are signed for. Default: the stack's, else us-east-1.")] = None,
    ca_file: Annotated[
        Path | None, typer.Option(help="PEM of the store's private CA. Default: the stack's ConfigMap, else public CAs.")
    ] = None,
    style: Annotated[Style, typer.Option(help="Where the bucket's name stands in addresses.")] = Style.PATH,
    secret: Annotated[
        str | None, typer.Option(help="NAMESPACE/NAME of the Secret with access_key and secret_key. Default: the stack's.")
    ] = None,
    credential_dir: Annotated[
        Path | None, typer.Option(help="Directory with the files access_key and secret_key, as a pod mounts them.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="AWS profile with the key that Milvus will use.")] = None,
    admin_profile: Annotated[str | None, typer.Option(help="AWS profile that may read the bucket's settings; only looks.")] = None,
    wal: Annotated[Wal | None, typer.Option(help="Write-ahead log that is planned. Default: the stack's, else woodpecker.")] = None,
    other_bucket: Annotated[str | None, typer.Option(help="Bucket that Milvus must not read. Default: the stack's documents.")] = None,
    scoped_to_prefix: Annotated[
        bool, typer.Option("--scoped-to-prefix", help="The policy confines the key to the root path: try it.")
    ] = False,
    encryption: Annotated[Encryption, typer.Option(help="What is promised at rest; `any`: told, not judged.")] = Encryption.ANY,
    milvus_uri: Annotated[
        str | None, typer.Option(help="Where Milvus is or will be: once its name resolves, its objects are ours.")
    ] = None,
    installed: Annotated[bool, typer.Option("--installed", help="Objects below the root path are this Milvus's own.")] = False,
    performance: Annotated[bool, typer.Option("--performance/--no-performance", help="Measure latency and throughput.")] = True,
    budget_mib: Annotated[int, typer.Option(min=1, help="Most MiB that measuring moves, both ways together.")] = Limits.budget_mib,
    budget_s: Annotated[float, typer.Option(min=1, help="Most seconds that measuring takes.")] = Limits.budget_s,
    timeout_s: Annotated[float, typer.Option(min=0.1, help="Longest wait for a connection or an answer.")] = Limits.timeout_s,
    patience_s: Annotated[float, typer.Option(min=0, help="Longest time for which the store may say that it is busy.")] = Limits.patience_s,
    vectors: Annotated[int, typer.Option(min=1, help="Vectors of the collection that the estimates are about.")] = Size.vectors,
    dimension: Annotated[int | None, typer.Option(min=2, help="Its dimension. Default: the stack's, else 768.")] = None,
    out: Annotated[Path | None, typer.Option(help="Directory for report.json. Default: build/preflight/<UTC time>/")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="A warning exits 1.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress; the table and the RESULT line only.")] = False,
) -> None:
    """Run the preflight once."""
    options = Options(
        stack=stack,
        target_file=target,
        endpoint=endpoint,
        bucket=bucket,
        root_path=root_path,
        region=region,
        ca_file=ca_file,
        style=style,
        secret=secret,
        credential_dir=credential_dir,
        profile=profile,
        admin_profile=admin_profile,
        wal=wal,
        other_bucket=other_bucket,
        scoped_to_prefix=scoped_to_prefix,
        encryption=encryption,
        milvus_uri=milvus_uri,
        installed=installed,
        performance=performance,
        limits=Limits(timeout_s=timeout_s, patience_s=patience_s, budget_mib=budget_mib, budget_s=budget_s),
        size=Size(vectors=vectors, dimension=dimension),
        strict=strict,
    )
    _run(options, Reporter(quiet=quiet), (out or Path("build") / "preflight" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}") / "report.json")


def _run(options: Options, reporter: Reporter, path: Path) -> None:
    try:
        record = runner.execute(options, reporter, path)
    except OSError as error:
        print(f"RESULT: ERROR the report cannot be written ({error}); name a directory with --out (exit 2)")
        raise typer.Exit(2) from None
    report.show(record, table.stdout_console())
    flush_streams()
    print(table.result_line(record, path))
    raise typer.Exit(record.exit_code)
