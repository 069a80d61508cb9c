"""Charts of a report as static SVG: no script, no request, and colours of the page around them, so that dark mode is the page's alone."""

import math
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pygal  # type: ignore[import-untyped]  # pygal ships no types
from pygal.style import Style  # type: ignore[import-untyped]

from validation.load.histogram import Histogram

# pygal looks for plug-ins by an interface that Python 3.12 dropped and 3.11 warns of at every import; there are none here
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "PluginImportFixer"]

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_PERCENTILES = (0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.99)
_STYLE = Style(
    background="transparent",
    plot_background="transparent",
    foreground="var(--text)",
    foreground_strong="var(--text)",
    foreground_subtle="var(--muted)",
    colors=("var(--blue)", "var(--orange)", "var(--red)", "var(--green)"),
    font_family="inherit",
    label_font_size=13,
    major_label_font_size=13,
    legend_font_size=14,
    title_font_size=14,
    value_font_size=13,
    guide_stroke_color="var(--line)",
    major_guide_stroke_color="var(--line)",
    opacity="1",
)


def latency_by_percentile(encoded: str) -> str:
    """Return the latency in ms over the percentile, on an axis that gives each further nine the same room; "" without samples.

    `encoded` is a histogram as `Histogram.encoded` gives it. An axis of percentiles alone would hide what a p99 is about.
    """
    histogram = Histogram.decoded(encoded)
    known = [each for each in _PERCENTILES if histogram.count * (1 - each / 100) >= 1]
    if not known:
        return ""
    places = [_nines(each) for each in known]
    chart = _xy("percentile (each nine has the same room)", "ms")
    chart.x_labels = [{"label": f"p{percentile:g}", "value": place} for percentile, place in zip(known, places, strict=True)]
    chart.add("latency", [(place, histogram.percentile_ms(percentile)) for percentile, place in zip(known, places, strict=True)])
    return _svg(chart)


def over_time(rows: Sequence[Mapping[str, float]]) -> str:
    """Return p50, p95 and the slowest over the seconds of the load; rows as `timed.over_time` gives them, "" without two."""
    if len(rows) < 2:  # noqa: PLR2004 - one point is no line
        return ""
    chart = _xy("seconds since the load began", "ms")
    for name, label in (("p50_ms", "p50"), ("p95_ms", "p95"), ("max_ms", "slowest")):
        chart.add(label, [(row["from_s"], row[name]) for row in rows])
    return _svg(chart)


def shares(groups: Mapping[str, float]) -> str:
    """Return one bar for each group, of a share from 0 to 1; "" without groups."""
    if not groups:
        return ""
    chart = pygal.HorizontalBar(**_common(len(groups) * 34 + 70), show_legend=False, range=(0, 1), zero=0)
    rows = list(groups.items())[::-1]  # the first one on top
    chart.x_labels = [xml_text(f"{name}: {share:.3f}") for name, share in rows]
    chart.value_formatter = lambda value: f"{value:.1f}"
    chart.add("share", [share for _, share in rows])
    return _svg(chart)


def xml_text(text: str) -> str:
    """Return a text without the characters that no XML can hold."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def _nines(percentile: float) -> float:
    return -math.log10(1 - percentile / 100)


def _xy(x_title: str, y_title: str) -> "pygal.XY":
    return pygal.XY(**_common(320), show_dots=False, x_title=x_title, y_title=y_title, legend_at_bottom=True, include_x_axis=True)


def _common(height: int) -> dict[str, object]:
    return {"style": _STYLE, "js": [], "width": 760, "height": height, "disable_xml_declaration": True, "margin": 12}


def _svg(chart: "pygal.Graph") -> str:
    chart.add_xml_filter(_without_scripts)
    return str(chart.render(is_unicode=True))


def _without_scripts(root: Any) -> Any:  # noqa: ANN401 - of lxml where it is there, else of the standard library
    """Take out the configuration for pygal's tooltips, which a page without scripts has no use for."""
    for parent in list(root.iter()):
        for child in [each for each in parent if isinstance(each.tag, str) and each.tag.endswith("script")]:
            parent.remove(child)
    return root
