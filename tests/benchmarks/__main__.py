"""How fast lucid is: `python -m tests.benchmarks [core|gradients|stream|operators|...] ...`."""

import argparse

from tests.benchmarks import ablation, core, executors, files, growth, operators, stream
from tests.benchmarks.workloads import NAMES


def main():
    """Run what is asked for; unless something is, what tells how fast lucid is."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("what", nargs="*", default=["core", "gradients", "stream"])
    parser.add_argument("--workloads", nargs="+", default=NAMES, choices=NAMES)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--against", metavar="PATH", help="with core: another checkout of lucid")
    parser.add_argument("--most", type=int, default=10**6, help="with growth: RoIs")
    parser.add_argument("--forms", nargs="+", help="with ablation: some of them")
    asked = parser.parse_args()
    for what in asked.what:
        if what == "core" and asked.against:
            core.compare_checkouts(asked.workloads, asked.threads, asked.rounds, asked.against)
        elif what == "ablation":
            ablation.compare(asked.workloads, asked.rounds, asked.forms or [*ablation.FORMS])
        elif what == "core":
            core.compare(asked.workloads, asked.threads, asked.rounds)
        elif what == "gradients":
            core.gradients(asked.workloads, asked.rounds)
        elif what == "stream":
            stream.compare(asked.rounds)
        elif what == "growth":
            growth.grow(asked.most)
        elif what == "executors":
            executors.compare(asked.rounds)
        elif what == "operators":
            operators.compare(asked.workloads, asked.rounds)
        elif what == "files":
            files.compare(asked.rounds)
        else:
            parser.error(f"there is no benchmark {what!r}")


if __name__ == "__main__":
    main()
