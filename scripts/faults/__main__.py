"""Kill processes of every command, read damaged files of every format, and run in hostile places; print the tables.

python -m scripts.faults all --seed 0 --results faults.jsonl
"""

import argparse
import tempfile
import time
from pathlib import Path

from scripts.faults import environments, kills, mutants
from scripts.faults.formats import FORMATS
from scripts.faults.processes import heed_interrupts
from scripts.faults.results import Results
from scripts.faults.targets import TARGETS

BEGIN, END = "<!-- tables: written by scripts/faults -->", "<!-- end of tables -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("kills", "mutants", "environments", "all", "tables", "mutant"))
    parser.add_argument("--kills", type=int, default=200, help="of each command and container (default: 200)")
    parser.add_argument("--mutants", type=int, default=20_000, help="over all formats (default: 20000)")
    parser.add_argument("--only", default="", help="commands, formats or environments whose names contain this")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (default: 2)")
    parser.add_argument("--minutes", type=float, default=600.0, help="begin nothing new after so long")
    parser.add_argument("--results", type=Path, default=Path("faults.jsonl"), help="file that results are added to")
    parser.add_argument("--index", type=int, default=0, help="with mutant: the number of the one to make and keep")
    parser.add_argument("--page", type=Path, help="page whose tables are replaced, like docs/trust.md")
    parser.add_argument("--commit", default="", help="with tables: results of this code (default: the present one)")
    options = parser.parse_args()
    heed_interrupts()
    results = Results(options.results, options.seed, options.commit)
    work = Path(tempfile.mkdtemp(prefix="faults-"))
    deadline = time.monotonic() + options.minutes * 60
    if options.what == "mutant":
        mutants.show(options.only, options.index, options.seed, work)
        return
    if options.what in ("mutants", "all"):
        forms = [form for form in FORMATS if options.only in form.name]
        mutants.Campaign(results, work / "mutants", options.mutants, options.jobs, deadline).run(forms)
    if options.what in ("kills", "all"):
        targets = [target for target in TARGETS if options.only in target.name]
        kills.Campaign(results, work / "kills", options.kills, options.jobs, deadline).run(targets)
    if options.what in ("environments", "all"):
        cases = [case for case in environments.CASES if options.only in case.name]
        environments.Campaign(results, work / "environments", options.jobs).run(cases)
    print(tables(results))
    if options.page:
        before, _, rest = options.page.read_text().partition(BEGIN)
        options.page.write_text(f"{before}{BEGIN}\n\n{tables(results)}\n\n{END}{rest.partition(END)[2]}")


def tables(results: Results) -> str:
    """All tables in Markdown, each below its heading."""
    parts = (("Kills", kills.shown), ("Mutants", mutants.shown), ("Environments", environments.shown))
    made = "\n\n".join(f"### {name}\n\n{shown(results)}" for name, shown in parts)
    return f"Code: {results.commit}. Seed: {results.seed}.\n\n{made}"


if __name__ == "__main__":
    main()
