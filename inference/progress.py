"""Progress bars: of sampling from its start, of anything else after two seconds."""

from collections.abc import Iterator
from functools import partial

from tqdm.auto import tqdm

CHUNK = 100  # steps a compiled call, between two movements of the bar

bar = partial(tqdm, delay=2, leave=False)


def chunks(steps: int, name: str, most: int = CHUNK) -> Iterator[int]:
    """The sizes of the compiled calls that make ``steps`` steps together; the first one compiles."""
    with tqdm(total=steps, desc=name, unit=" steps") as shown:
        for start in range(0, steps, most):
            size = min(most, steps - start)
            yield size
            shown.update(size)
