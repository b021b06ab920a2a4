"""The fitters: one signature, one result."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import optax
from jax import Array
from numpyro.diagnostics import effective_sample_size, split_gelman_rubin
from numpyro.infer import SVI, Trace_ELBO, init_to_value
from numpyro.infer.autoguide import AutoMultivariateNormal
from numpyro.infer.hmc import hmc
from tqdm.auto import tqdm

from .errors import DataError, FitWarning, ModelError, NoMaximumError
from .fit import Fit
from .joint import Declared, Structure, declare, structure
from .relabel import relabel
from .table import Schema, check_columns, make_spec, missing_feature, read_labels, read_response, read_x
from .target import Mode, Rows, constrain, find_mode, log_target, prior_vectors, rows_apart_and_together

CHUNK = 100  # NUTS steps a compiled call, between two movements of the progress bar


class _Problem:
    """Data, checked and laid out, beside the model's structure: what each fitter starts from."""

    def __init__(self, model: Callable, x: Any, y: Any, target: str | None, labels: Sequence[Any] | None) -> None:
        self.model = declare(model)
        values, columns = read_x(x)
        check_columns(values, columns)
        target = target or str(getattr(y, "name", None) or "y")
        if target in columns:
            raise DataError(f"'{target}' is the target and a column of x, too; take it out of x.")
        is_label = structure(self.model, make_spec(values, None, len(labels or ()))).classes is not None
        codes, response, names = np.full(len(values), -1), None, None
        if y is not None and is_label:
            codes, names = read_labels(y, labels)
        elif y is not None:
            response = read_response(y, target)
        elif labels:
            names = tuple(labels)
        known = codes if response is None else response
        if len(known) != len(values):
            raise DataError(f"x has {len(values)} rows but y has {len(known)}; give one y for every row.")
        if y is not None and is_label and len(names) == 1 and np.all(codes >= 0):
            raise DataError(f"every row has the label {names[0]!r}; a model of labels needs at least two.")
        self.spec = make_spec(values, response, len(names or ()))
        self.shape = structure(self.model, self.spec)
        if y is None and not self.shape.generative:
            raise DataError(f"{self.model.name} declares P(y | x) and needs y; give one for every row.")
        if is_label:
            names = (names or ()) + tuple(range(len(names or ()), self.shape.classes))
            if self.shape.classes > len(values):
                raise DataError(f"{self.shape.classes} components need as many rows, got {len(values)}.")
        self.schema = Schema(columns, target, names)
        self.x, self.y = values, known
        self.rows = self._lay_out(values, codes, response)
        self._check_rows_independent()

    def _check_rows_independent(self, few: int = 4) -> None:
        """Every fit and query adds up single rows: refuse a model in which rows see each other."""
        x = self.rows.x[:few]
        y = self.rows.y[:few] if self.rows.y.shape[0] >= x.shape[0] else jnp.zeros(x.shape[0], dtype=int)
        vector = prior_vectors(jax.random.key(0), self.spec, draws=1, **self.keywords)[0]
        apart, together = rows_apart_and_together(vector, self.spec, x, y, **self.keywords)
        if not np.isclose(apart, together, rtol=1e-6, atol=1e-6, equal_nan=True):
            raise ModelError(
                f"the rows of {self.model.name} are not independent given its parameters (the log-likelihood of "
                f"{x.shape[0]} rows is {float(together):.6g} in one table but {float(apart):.6g} row by row); "
                "use no statistic of the whole table inside the model, and put what rows share into parameters."
            )

    def _lay_out(self, x: np.ndarray, codes: np.ndarray, response: np.ndarray | None) -> Rows:
        missing = np.isnan(x)
        if missing.any() and not self.shape.generative:
            i, j = np.argwhere(missing)[0]
            raise missing_feature(self.model.name, i, self.schema.columns[j])
        order = np.arange(len(x)) if response is not None else np.argsort(codes < 0, kind="stable")
        y = response if response is not None else codes[order][codes[order] >= 0]
        filled = np.where(missing, np.nanmean(x, axis=0), x)[order]
        return Rows(jnp.asarray(filled), jnp.asarray(~missing[order]) if missing.any() else None, jnp.asarray(y))

    @property
    def keywords(self) -> dict[str, Any]:
        return {"model": self.model, "shape": self.shape}

    def mode(self, seed: int, *, prior: bool, jacobian: bool) -> Mode:
        prior_draws = np.asarray(prior_vectors(jax.random.key(seed), self.spec, draws=64, **self.keywords))
        scale = np.maximum(prior_draws.std(axis=0), 1e-12)
        hidden = self.rows.y.shape[0] < self.rows.x.shape[0]
        # Hidden labels make several modes and a saddle where all classes agree: climb from several pretended labelings.
        starts = self._pretended(scale, seed) if hidden and self.shape.classes else []
        starts = starts or [np.median(prior_draws, axis=0) + 0.1 * (prior_draws[0] - prior_draws.mean(axis=0))]
        modes = [
            find_mode(start, scale, self.spec, self.rows, prior=prior, jacobian=jacobian, **self.keywords)
            for start in starts
        ]
        return max(modes, key=lambda mode: mode.value)

    def precondition(self, seed: int) -> tuple[np.ndarray, np.ndarray, bool]:
        """Centre and matrix L for NUTS: mode and inverse root Hessian, or the prior's own where no mode will do."""
        try:
            mode = self.mode(seed, prior=True, jacobian=True)
            return mode.vector, _whitening(mode), True
        except NoMaximumError:
            draws = np.asarray(prior_vectors(jax.random.key(seed), self.spec, draws=64, **self.keywords))
            return np.median(draws, axis=0), np.diag(np.maximum(draws.std(axis=0), 1e-12)), False

    def _pretended(self, scale: np.ndarray, seed: int, starts: int = 10) -> list[np.ndarray]:
        from sklearn.cluster import KMeans

        x = np.asarray(self.rows.x)
        found = []
        for i in range(starts):
            # Half of the starts see the columns in their own units, half standardised.
            view = x if i % 2 else x / x.std(axis=0)
            labels = KMeans(self.shape.classes, n_init=1, random_state=seed + i).fit_predict(view)
            known = self.rows.y.shape[0]
            labels[:known] = np.asarray(self.rows.y)
            rows = Rows(self.rows.x, self.rows.seen, jnp.asarray(labels, dtype=int))
            centre = np.zeros_like(scale)
            mode = find_mode(centre, scale, self.spec, rows, prior=True, jacobian=True, **self.keywords)
            found.append(mode.vector)
        return found

    def fit(
        self,
        method: str,
        vectors: np.ndarray,
        chains: int,
        diagnostics: dict[str, float],
        warning: Sequence[str] = (),
        sample_stats: dict[str, np.ndarray] | None = None,
    ) -> Fit:
        params = constrain(jnp.asarray(vectors), self.spec, **self.keywords)
        shaped = {name: np.asarray(v, dtype=np.float64).reshape(chains, -1, *v.shape[1:]) for name, v in params.items()}
        for sentence in warning:
            warnings.warn(sentence, FitWarning, stacklevel=4)
        return Fit(
            model=self.model,
            method=method,
            schema=self.schema,
            spec=self.spec,
            shape=self.shape,
            params=shaped,
            x=self.x,
            y=self.y,
            sample_stats=sample_stats or {},
            diagnostics=diagnostics,
            warnings=tuple(warning),
        )


def _point(method: str, prior: bool, model: Callable, x: Any, y: Any, seed: int, target: Any, labels: Any) -> Fit:
    with jax.enable_x64(True):
        problem = _Problem(model, x, y, target, labels)
        mode = problem.mode(seed, prior=prior, jacobian=False)
        return problem.fit(method, mode.vector[None], 1, {"log_density": mode.value, "gap": mode.gap})


def mle(
    model: Callable,
    x: Any,
    y: Any = None,
    *,
    seed: int = 0,
    target: str | None = None,
    labels: Sequence[Any] | None = None,
) -> Fit:
    """argmax of the likelihood: the model with its priors left out.

    x: a frame or array (rows, features). y: labels or responses; a missing label, or y=None, is summed out.
    seed sets the starting points. labels names the classes where y does not show them all.
    Raises NoMaximumError where the likelihood has none (separable labels), DataError for a table it cannot use.
    """
    return _point("mle", False, model, x, y, seed, target, labels)


def map_estimate(
    model: Callable,
    x: Any,
    y: Any = None,
    *,
    seed: int = 0,
    target: str | None = None,
    labels: Sequence[Any] | None = None,
) -> Fit:
    """argmax of likelihood x prior, as a density of the parameters as declared (no Jacobian). Arguments as in mle."""
    return _point("map_estimate", True, model, x, y, seed, target, labels)


def _whitening(mode: Mode) -> np.ndarray:
    """A matrix L with L L' = H^-1 at the mode."""
    curvature, axes = np.linalg.eigh(mode.hessian)
    if curvature.min() <= 0:
        raise NoMaximumError("the curvature at the mode is not positive; the posterior has a flat or rising direction.")
    return axes / np.sqrt(curvature)


def laplace(
    model: Callable,
    x: Any,
    y: Any = None,
    *,
    seed: int = 0,
    chains: int = 4,
    draws: int = 1000,
    target: str | None = None,
    labels: Sequence[Any] | None = None,
) -> Fit:
    """Independent draws of Normal(mode, H^-1) in unconstrained space, H the Hessian of -log posterior there.

    MacKay 2003, chapter 27. Arguments as in mle; chains x draws independent draws.
    """
    with jax.enable_x64(True):
        problem = _Problem(model, x, y, target, labels)
        mode = problem.mode(seed, prior=True, jacobian=True)
        noise = np.random.default_rng(seed).normal(size=(chains * draws, problem.shape.size))
        vectors = mode.vector + noise @ _whitening(mode).T
        return problem.fit("laplace", vectors, chains, {"log_density": mode.value, "gap": mode.gap})


def svi(
    model: Callable,
    x: Any,
    y: Any = None,
    *,
    seed: int = 0,
    chains: int = 4,
    draws: int = 1000,
    steps: int = 2000,
    target: str | None = None,
    labels: Sequence[Any] | None = None,
) -> Fit:
    """Independent draws of the normal that maximises the ELBO in unconstrained space (Kucukelbir et al. 2017).

    A full-covariance normal in v, where vector = mode + L v, so it starts as the Laplace approximation. Adam with a
    falling rate for ``steps`` steps. Arguments as in laplace. Warns where the ELBO was still rising at the end.
    """
    with jax.enable_x64(True):
        problem = _Problem(model, x, y, target, labels)
        mode = problem.mode(seed, prior=True, jacobian=True)
        whiten, size = _whitening(mode), problem.shape.size

        def whitened() -> None:
            v = numpyro.sample("v", dist.ImproperUniform(dist.constraints.real_vector, (), (size,)))
            vector = mode.vector + jnp.asarray(whiten) @ v
            value = log_target(vector, problem.spec, problem.rows, prior=True, jacobian=True, **problem.keywords)
            numpyro.factor("log_density", value)

        guide = AutoMultivariateNormal(whitened, init_loc_fn=init_to_value(values={"v": jnp.zeros(size)}), init_scale=1)
        rate = optax.cosine_decay_schedule(0.01, steps)
        optimiser = SVI(whitened, guide, optax.adam(rate), Trace_ELBO(num_particles=8))
        run = optimiser.run(jax.random.key(seed), steps, progress_bar=False)
        v = np.asarray(guide.get_posterior(run.params).sample(jax.random.key(seed + 1), (chains * draws,)))
        before, last = np.split(-np.asarray(run.losses)[-(steps // 5) * 2 :], 2)
        gain, error = last.mean() - before.mean(), np.hypot(last.std(), before.std()) / np.sqrt(len(last))
        said = [f"the ELBO still rose by {gain:.2g} nats over the last fifth of the steps: run more."]
        diagnostics = {"elbo": float(last.mean()), "elbo_gain": float(gain)}
        rising = gain > max(5 * error, 0.1)
        return problem.fit("svi", mode.vector + v @ whiten.T, chains, diagnostics, said if rising else ())


@lru_cache(maxsize=64)
def _nuts_programs(model: Declared, shape: Structure, warmup: int) -> tuple[Callable, Callable]:
    def potential(centre: Array, whiten: Array, spec: Any, rows: Rows) -> Callable:
        def minus_log_posterior(v: Array) -> Array:
            vector = centre + whiten @ v
            return -log_target(vector, spec, rows, model=model, shape=shape, prior=True, jacobian=True)

        return minus_log_posterior

    init, sample = hmc(potential_fn_gen=potential)

    def start(key: Array, v: Array, *data: Any) -> Any:
        return init(v, warmup, model_args=data, rng_key=key)

    @partial(jax.jit, static_argnums=0)
    def advance(steps: int, states: Any, *data: Any) -> Any:
        def step(state: Any, _: None) -> tuple[Any, tuple]:
            state = sample(state, data, {})
            return state, (state.z, state.diverging, state.num_steps)

        return jax.vmap(lambda state: jax.lax.scan(step, state, None, length=steps))(states)

    return jax.jit(jax.vmap(start, in_axes=(0, 0, None, None, None, None))), advance


def nuts(
    model: Callable,
    x: Any,
    y: Any = None,
    *,
    seed: int = 0,
    chains: int = 4,
    draws: int = 1000,
    warmup: int = 500,
    target: str | None = None,
    labels: Sequence[Any] | None = None,
) -> Fit:
    """Draws from the posterior by the No-U-Turn sampler (Hoffman and Gelman 2014), preconditioned by the mode.

    It samples v in vector = mode + L v with L L' the inverse Hessian at the mode, all chains in one program. Where the
    posterior has no mode or no positive curvature there, as in a funnel, L is the prior's scale, and the diagnostic
    ``preconditioned`` is 0; step size and scales are adapted in both cases.
    Arguments as in mle. Warns (FitWarning, and ``fit.warnings``) where R-hat, ESS or divergences are bad.
    """
    if warmup % CHUNK or draws % CHUNK:
        raise DataError(f"warmup and draws are multiples of {CHUNK}, got {warmup} and {draws}.")
    with jax.enable_x64(True):
        problem = _Problem(model, x, y, target, labels)
        centre, whiten, preconditioned = problem.precondition(seed)
        start, advance = _nuts_programs(problem.model, problem.shape, warmup)
        data = (jnp.asarray(centre), jnp.asarray(whiten), problem.spec, problem.rows)
        keys = jax.random.split(jax.random.key(seed), chains)
        states = start(keys, jax.random.normal(jax.random.key(seed + 1), (chains, problem.shape.size)), *data)
        kept = []
        for i in tqdm(range((warmup + draws) // CHUNK), desc="NUTS", unit_scale=CHUNK, unit=" steps", delay=2):
            states, out = advance(CHUNK, states, *data)
            if i >= warmup // CHUNK:
                kept.append(jax.tree.map(np.asarray, out))
        v, diverging, steps = (np.concatenate(part, axis=1) for part in zip(*kept, strict=True))
        diagnostics = {
            "divergences": float(diverging.sum()),
            "steps_per_draw": float(steps.mean()),
            "preconditioned": float(preconditioned),
        }
        vectors = centre + v.reshape(chains * draws, -1) @ whiten.T
        stats = {"diverging": diverging, "n_steps": steps}
        fit = problem.fit("nuts", vectors, chains, diagnostics, (), stats)
    renamed = relabel(fit)
    verdict, said = _judge(renamed.params, renamed.diagnostics)
    if renamed is not fit:
        verdict["max_rhat_raw"] = _judge(fit.params, {"divergences": 0.0})[0]["max_rhat"]
    for sentence in said:
        warnings.warn(sentence, FitWarning, stacklevel=2)
    return replace(renamed, diagnostics=verdict, warnings=tuple(said))


def _judge(params: dict[str, np.ndarray], diagnostics: dict[str, float]) -> tuple[dict[str, float], list[str]]:
    vectors = np.concatenate([value.reshape(*value.shape[:2], -1) for value in params.values()], axis=-1)
    chains, draws, _ = vectors.shape
    rhat = float(np.max(split_gelman_rubin(vectors)))
    ess = float(np.min(effective_sample_size(vectors)))
    diagnostics = {**diagnostics, "max_rhat": rhat, "min_ess": ess}
    said = []
    if not rhat < 1.01:
        said.append(f"R-hat is {rhat:.3f}, above 1.01: the chains disagree; run longer or look for several modes.")
    if not ess > 100 * chains:
        said.append(f"the smallest effective sample size is {ess:.0f}, below {100 * chains}: run longer.")
    if diagnostics["divergences"]:
        said.append(f"{diagnostics['divergences']:.0f} of {chains * draws} draws diverged: reparametrise the model.")
    return diagnostics, said
