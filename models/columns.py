"""Tables whose columns are of several kinds: names, counts, numbers, each independent of the others."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import Array
from numpyro.distributions import Distribution, constraints

from .spec import NUMBER, Spec, WrongColumn


class Columns(Distribution):
    """A row of independent columns, a distribution for each group of them.

    groups: pairs of the places of some columns and of a distribution whose batch shape ends in as many.
    """

    support = constraints.real_vector
    pytree_aux_fields = ("places",)
    pytree_data_fields = ("parts",)

    def __init__(
        self, groups: Sequence[tuple[Sequence[int], Distribution]], *, validate_args: bool | None = None
    ) -> None:
        self.places = tuple(tuple(places) for places, _ in groups)
        self.parts = tuple(part for _, part in groups)
        width = sum(map(len, self.places))
        batch = jnp.broadcast_shapes(*(part.batch_shape[:-1] for part in self.parts))
        super().__init__(batch, (width,), validate_args=validate_args)

    def log_prob_each(self, value: Array) -> Array:
        """log density of each column, (..., features)."""
        each = []
        for places, part in zip(self.places, self.parts, strict=True):
            own = value[..., np.array(places)]
            each.append(part.log_prob(own.astype(int) if part.support.is_discrete else own))
        return jnp.concatenate(each, axis=-1)[..., self._back]

    def log_prob(self, value: Array) -> Array:
        return self.log_prob_each(value).sum(axis=-1)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        keys = jax.random.split(key, len(self.parts))
        drawn = [part.sample(key, sample_shape) * 1.0 for key, part in zip(keys, self.parts, strict=True)]
        return jnp.concatenate(drawn, axis=-1)[..., self._back]

    @property
    def _back(self) -> np.ndarray:
        """Where each column is among the groups' columns in turn."""
        return np.argsort(np.array([place for places in self.places for place in places]))


def names(kinds: Sequence[int]) -> list[int]:
    """The places of the columns of names."""
    return [j for j, kind in enumerate(kinds) if kind > NUMBER]


def only_names(kinds: Sequence[int]) -> None:
    """WrongColumn where a column holds numbers."""
    if len(names(kinds)) < len(kinds):
        column = next(j for j, kind in enumerate(kinds) if kind <= NUMBER)
        raise WrongColumn(
            "takes columns of names", column, "holds numbers; make it text or a category, as by .astype(str)"
        )


def shares(spec: Spec, kinds: Sequence[int], labels: int, alpha: float) -> Array:
    """theta_kj ~ Dirichlet(alpha, ...) over the names of each column of names, (label, column, name).

    0 beyond a column's own names.
    """
    places, most = names(kinds), max(kinds)
    theta = []
    with numpyro.plate("label", labels, dim=-1):
        for j in places:
            prior = dist.Dirichlet(jnp.full(kinds[j], alpha))
            own = numpyro.sample(f"theta_{j}", prior, infer={"event_dims": [f"name_{j}"]})
            theta.append(jnp.pad(own, [(0, 0), (0, most - kinds[j])]))
    return jnp.stack(theta, axis=1)
