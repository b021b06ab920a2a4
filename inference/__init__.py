"""Data in, answers out: fits, Bayes' queries and generation for any NumPyro model with sites 'x' and 'y'."""

from .. import models as _models  # noqa: F401  first, for the order in which numpyro is imported
from .cache import keep_compiled_programs as keep_compiled_programs
from .curves import learning_curve as learning_curve
from .decisions import accuracy_coverage as accuracy_coverage
from .decisions import cost_of_error as cost_of_error
from .decisions import decide as decide
from .decisions import label_uncertainty as label_uncertainty
from .decisions import reject as reject
from .declare import with_sites as with_sites
from .errors import BayeszooError as BayeszooError
from .errors import DataError as DataError
from .errors import FitWarning as FitWarning
from .errors import ModelError as ModelError
from .errors import NoMaximumError as NoMaximumError
from .errors import PrecisionError as PrecisionError
from .errors import QueryError as QueryError
from .fit import Fit as Fit
from .fits import laplace as laplace
from .fits import map_estimate as map_estimate
from .fits import mle as mle
from .impute import impute as impute
from .outliers import outliers as outliers
from .responsibilities import responsibilities as responsibilities
from .sampling import nuts as nuts
from .sbc import calibrate as calibrate
from .shift import estimate_label_prior as estimate_label_prior
from .shift import label_posterior_under as label_posterior_under
from .stream import summarise as summarise
from .summary import Summary as Summary
from .variational import svi as svi
