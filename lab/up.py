"""`./rag up` and `./rag down`, in reading order."""

import datetime as dt
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from lab import cache, cluster, disk, process_tree, project, pulumi_host, stores, toolchain
from lab.images.build import IMAGES, Builder, Image
from lab.pki import fingerprint, make_pki, renew, write_kubeconfig
from lab.places import BIN, CACHE, KUBECONFIG, LOGS, NODE_BIN, PKI, REPOSITORY, STATE, Network, network
from lab.processes import attended
from lab.steps import Steps

AT_ONCE = 2  # images that are built or imported at the same time: the lab's machine has two cores or more, and memory for two


def up(steps: Steps, *, gate: bool = True, store: str | None = None, chart: tuple[str | None, str | None] = (None, None)) -> int:
    """Do everything from tools to verdict and return the exit code of the gate; `chart` and its version where not the one it has."""
    net = network()
    project.refuse_foreign_state()
    cache.sweep(tools=[name for name, build in toolchain.BUILDS.items() if not build.on_demand])  # a test may be building the others
    with steps.step("tools: Go"):
        go = toolchain.go_command(steps)
    names = toolchain.needed()
    check_room(names, go, steps)
    later = [name for name in toolchain.PULUMI_BUILDS if name in names]
    with ThreadPoolExecutor(1) as beside, meanwhile(later, go, steps) as pulumi:
        homes = tools([name for name in names if name not in later], go, steps)
        made = images(homes, steps)
        start_cluster(net, homes, made, steps)
        node = beside.submit(fill_node, net, made, steps)  # neither the API server nor the store waits for images
        with steps.step("lab: Kubernetes API and object store"):
            cluster.wait_for_api()
            cluster.wait_for_store(net)
        homes |= pulumi.result()
        choose_pulumi(homes, steps)
        cache.use([*homes.values(), *(image.archive for image in made.values())])
        with steps.step("stack"):
            configure(net, made, store, chart)
        node.result()
    with steps.step("pulumi up"):
        project.up()
        cluster.wait_for_pods()
    if not gate:
        return 0
    with steps.step("gate"):
        code = attended([sys.executable, "-m", "validation", "run", project.STACK], project.environment())
    steps.save(LOGS / "up.json")
    return code


def check_room(names: Sequence[str], go: str, steps: Steps) -> None:
    """Say what will be built and how long that takes; LabError where there is no room for it."""
    missing = [name for name in names if not toolchain.home_of(name, go).exists()]
    if missing:
        steps.say(toolchain.forecast(missing))
        disk.require(CACHE, disk.BUILD_GIB if (CACHE / "go" / "build").exists() else disk.CACHE_GIB["tools"], ", ".join(missing))


def tools(names: Sequence[str], go: str, steps: Steps) -> dict[str, Path]:
    """Build what is missing, one step a build, and return the folders with the binaries; modules of the next come meanwhile."""
    homes = {}
    missing = [name for name in names if not toolchain.home_of(name, go).exists()]
    with toolchain.fetching(missing[1:], go, steps.log):
        for name in names:
            with steps.step(f"tools: {name} {toolchain.BUILDS[name].version}"):
                build = partial(toolchain.built, name, go, steps)
                homes[name] = build()
                cache.ensure([homes[name]], build, steps)
    return homes


@contextmanager
def meanwhile(names: Sequence[str], go: str, steps: Steps) -> Iterator[Future[dict[str, Path]]]:
    """Build tools while the block does what needs none of them; where either fails, the other's compiler is ended, and the first tells."""
    with ThreadPoolExecutor(1) as beside:
        built = beside.submit(tools, names, go, steps)
        built.add_done_callback(lambda ended: steps.stop() if ended.exception() else None)
        try:
            yield built
        except BaseException:
            first = built.exception() if built.done() else None
            steps.stop()
            if first:
                raise first from None
            raise


def images(homes: dict[str, Path], steps: Steps) -> dict[str, Image]:
    """Build what is missing, one step an image and two at a time: each is the work of one core."""
    builder = Builder(homes["kubernetes"], steps)

    def build(name: str) -> Image:
        with steps.step(f"image: {name}"):
            return whole(builder, name, steps)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(IMAGES[::-1], pool.map(build, IMAGES[::-1]), strict=True))  # the longest first


def whole(builder: Builder, name: str, steps: Steps) -> Image:
    """Return an image from the cache, built again where its archive or its reference is damaged."""
    archive = builder.build(name).archive
    cache.ensure([archive, archive.with_suffix(".reference")], partial(builder.build, name), steps)
    return builder.build(name)


def start_cluster(net: Network, homes: dict[str, Path], made: dict[str, Image], steps: Steps) -> None:
    """Bring up the lab's process tree, or leave the one that runs well."""
    with steps.step("lab: certificates and tools"):
        process_tree.remove_leftovers()
        link_log(steps.log)
        project.HOME.mkdir(parents=True, exist_ok=True, mode=0o700)
        cache.use([*homes.values(), *(image.archive for image in made.values())])
        make_pki(PKI, net)
        if renewed := renew(PKI, net, dt.datetime.now(dt.UTC)):
            steps.say(f"note   certificates had expired, or were about to, and are renewed: {', '.join(renewed)}")
        for user, path in (("admin", KUBECONFIG), ("kubelet", STATE / "kubelet.kubeconfig")):
            write_kubeconfig(path, PKI, user, net)
        toolchain.publish(homes, NODE_BIN, BIN)
    with steps.step("lab: process tree"):
        start_process_tree(net, [*(home.name for home in homes.values()), process_tree.code_name(), fingerprint(PKI)], steps)


def link_log(log: Path, folder: Path = LOGS) -> None:
    """Put the log of builds beside those of the parts; it begins before there is a lab, and so in the cache."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / log.name).unlink(missing_ok=True)
    (folder / log.name).symlink_to(log)


def fill_node(net: Network, made: dict[str, Image], steps: Steps) -> None:
    """Bring the images into the container runtime, then name server and StorageClass to the node."""
    with steps.step("lab: images into the cluster"):
        cluster.import_images(list(made.values()), steps, AT_ONCE)
    with steps.step("lab: node, name server, StorageClass"):
        cluster.wait_for_api()
        cluster.apply_basics(net, made["coredns"])
        cluster.wait_for_node()


def choose_pulumi(homes: dict[str, Path], steps: Steps) -> None:
    """Put the Pulumi that was built in place, unless the operator's own is used: then nothing of the lab's stands before it."""
    if "pulumi" in homes:
        steps.say(f"no `pulumi` on PATH: {toolchain.PULUMI_VERSIONS} were built; the language host is the lab's own")
        pulumi_host.install(homes, BIN, project.PULUMI_HOME, Path(sys.executable))
        project.BUILT.touch()
    else:
        steps.say("`pulumi` from PATH, with its own language host and kubernetes plugin")
        for ours in (*BIN.glob("pulumi*"), project.BUILT):
            ours.unlink(missing_ok=True)


def start_process_tree(net: Network, tools: list[str], steps: Steps) -> None:
    """Start the process tree unless it runs already, from whichever checkout; one with other tools is started anew on the same state."""
    outer = process_tree.running()
    if outer is not None and outer["checkout"] != str(REPOSITORY):
        steps.say(f"this lab was brought up from {outer['checkout']} at {outer['since']}; it goes on from here")
    if outer is not None and outer.get("tools") == tools and process_tree.is_wired(net):
        process_tree.record(outer)
        return
    if outer is not None:
        steps.say("its processes run with other tools, certificates or routes than they should: they are started anew, on the same state")
    process_tree.stop()
    process_tree.check_addresses(net)
    process_tree.start(net, tools)


def configure(net: Network, made: dict[str, Image], store: str | None, chart: tuple[str | None, str | None]) -> None:
    """Write and select the stack's configuration; end what a killed Pulumi left running."""
    driver = project.store_of(project.STACK, store)
    if driver == "existing":
        stores.hand_over(net, {"rag-milvus": False, "rag-documents": True})
    project.configure(project.STACK, {**project.machine_facts(net, made, driver), **project.chart_settings(*chart)})
    project.select()
    # a kubernetes plugin looks for its killed Pulumi every five minutes only, and goes on installing until then
    process_tree.end_strays(project.PULUMI_HOME, without="pulumi")
    operators = Path(os.environ.get("PULUMI_HOME") or "~/.pulumi").expanduser()
    process_tree.end_strays(operators, without="pulumi", within=f"KUBECONFIG={KUBECONFIG}")


def page() -> str:
    """Return the lines that say where questions are answered, with which key, and how there comes to be something to ask."""
    url = project.endpoints().get("ASK_URL")
    key = "kubectl -n rag get secret ask-api-key -o jsonpath={.data.api_key} | base64 -d"
    fill = "./rag ingest lab corpus/documents --collection handbook"
    return f"ask it:       {url}\n  its key:    {key}\n  documents:  {fill}\n" if url else ""


def down(steps: Steps) -> None:
    """End the lab; nothing of it remains but the cache."""
    with steps.step("lab: processes, mounts, interface, routes, cgroups"):
        for folder in (BIN, project.PULUMI_HOME):
            process_tree.end_strays(folder)
        process_tree.stop()
    with steps.step("lab: state"):
        process_tree.remove_state()
