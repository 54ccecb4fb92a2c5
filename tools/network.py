"""`python -m tools.network`: bad networks as the kernel makes them, between an exporter and its APIs; `make network`.

Prints a table of what each network did to polls. The exit status is 1 if a promise was broken, and 3 if the kernel or
the system refuses such networks: tests/e2e/test_network.py has those that a proxy makes, which need nothing.
"""

import sys

from tests.support import rough_kernel


def main() -> int:
    refusal = rough_kernel.refusal()
    if refusal is not None:
        print(rough_kernel.REFUSED.format(refusal), file=sys.stderr)
        return 3
    done = rough_kernel.inside()
    if done.returncode:
        print(done.stdout + done.stderr, file=sys.stderr)
        return 1
    print("| network | what happens |\n| --- | --- |")
    for line in done.stdout.splitlines():
        road, _, outcome = line.partition(": ")
        print(f"| {road} | {outcome} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
