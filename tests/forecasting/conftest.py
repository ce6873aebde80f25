"""Made-up cases of the forecasting tests have no deadline: a busy machine is no failure."""

import hypothesis

hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")
