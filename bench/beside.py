"""Two ways to the same result, timed in turn on one thread: what the tokenize_*.py have in common. Import it before NumPy."""
import os
import pathlib
import statistics
import subprocess
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

PROGRAM = str(pathlib.Path(os.environ.get("MT_BIN", "build/release/bin")) / "mt-tokenize")


def tokenize(*words):
    """Runs mt-tokenize as a user would, start included. Output "-" goes nowhere."""
    subprocess.run([PROGRAM, *map(str, words), "--threads", "1", "--quiet", "--force"], check=True, stdout=subprocess.DEVNULL)


def compare(title, count, unit, works, rounds=5):
    """works: {name: function}, mt-tokenize's first. Each round runs all, one after the other; medians are printed, and of each
    reference the median of its rounds' ratios to mt-tokenize. Gives what the functions returned last."""
    seconds = {name: [] for name in works}
    results = {}
    for _ in range(rounds):
        for name, work in works.items():
            start = time.perf_counter()
            results[name] = work()
            seconds[name].append(time.perf_counter() - start)
    print(title)
    ours = next(iter(works))
    for name, taken in seconds.items():
        line = f"  {name:<44}{count / statistics.median(taken):12.1f} {unit}/s {statistics.median(taken):8.3f} s"
        if name != ours:
            line += f"   ratio {statistics.median(t / o for t, o in zip(taken, seconds[ours])):.2f}"
        print(line, flush=True)
    return results
