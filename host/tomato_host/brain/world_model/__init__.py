"""The world model: what the next 36 hours will bring in this tent, with an interval for each hour, learned daily.

The idea
    A tent is a small physical system whose equations are known and whose numbers are not: how well it is insulated, how
    strong its fan is, how large the leaves are this week. So physics comes first, with a few coefficients that are
    learned; regression corrects what physics leaves; and every number says how far it may be trusted.

    hourly log -> physics -------.
               -> regressions ----+-> blend by skill -> conformal interval -> record, planner
               -> simple rules --'

The laws (`priors.py`, `dynamics.py`, `soil_dynamics.py`)
    Hourly steps, linear in the coefficients. Air temperature and vapour pressure relax towards the room and the
    outside, faster with the exhaust; lamp, sun, mat and humidifier add to them. The leaf's deficit is linear in the
    air's. A pot dries with the deficit and the light, takes up less when dry (Feddes et al. 1978), gains from water and
    drains above its capacity. States: temperature, vapour pressure, a water content per zone, the last hour's water.

The learners
    `bounded_rls.py` holds the physics: recursive least squares with forgetting (Ljung, "System Identification", 1999,
    ch. 11), a Gaussian prior that never fades, and bounds that keep signs physical: light never waters, water never
    dries. `daily_ridge.py` holds one ridge regression per horizon on the residual against the same hour of the day
    before. Both weigh outliers down (Huber, Ann. Math. Stat. 35 (1964) 73-101) and are updated once a day, with the day
    that has ended: a forecast is always of hours that no coefficient has seen.

The blend (`blend.py`)
    Weights per quantity and horizon, error ** -12 (-8 for pots) over one or two weeks: near-equal experts are averaged,
    worse ones vanish. A day of a broken probe counts as two usual days at most, and ridges are bounded by what the
    simple rules say (`reach.py`): the blend must not lose to persistence or yesterday. Two blends are kept, with and
    without the weather ahead, because a weather service may fail for days.

The intervals (`conformal.py`, `uncertainty.py`)
    Adaptive conformal inference (Gibbs and Candes, NeurIPS 2021; quantile tracking of Angelopoulos, Candes and
    Tibshirani, NeurIPS 2023) on residuals divided by their usual size at that hour of the day. After a miss an interval
    widens, after a hit it narrows; the long-run share of misses is the nominal one without any assumption on the data.
    At a limit (saturated air) an interval is one-sided and calibrated by itself.
    Old forecasts and wide weather ensembles widen it further.

The planner (`model.WorldModel.rollout`)
    rolls many plans through the physics alone. Regressions never see a plan that was not followed; their answer to one
    would be an extrapolation. Physics with bounded signs extrapolates in the right direction.

Storms are left to physics: wind beyond 12 m/s adds to the air change by a fixed prior, and the regressions get the
difference instead of stretching a coefficient learned in light wind.

Rejected
    A neural network or gradient boosting on everything: a tent has weeks of data and not years, and a planner explores
    inputs that were never tried (LightGBM, refitted every two weeks, is a baseline of the backtest; it errs more on the
    lettuce data at every horizon). Parameters of a nonlinear model by global search: one bad day moves everything, and
    there is no bounded nightly cost. A Kalman filter for the states: hourly means of trusted sensors leave little to
    filter, and the estimator must not depend on a model that may be wrong. Gaussian intervals: residuals are skewed,
    larger by day than by night, and change with the season. Gradient steps each hour: a night's batch is exact,
    repeatable to the byte, and can be compared on an unseen day before it is used (`promotion.py`).

Files, from the bottom: `arrays`, `settings`, `data` (all data classes), `priors`, `bounded_rls`, `daily_ridge`,
`blend`, `reach`, `soil_dynamics`, `dynamics`, `features`, `learners`, `conformal`, `forecaster`, `stress`,
`hourly_history`, `uncertainty`, `prediction_record`, `model`, `model_arrays`, `promotion`; beside them
`weather_scenarios` and `weather_adapter`, which turn the weather forecast into the targets of the day. What was
measured is in docs/forecast.md.
"""
