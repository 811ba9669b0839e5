"""Studies of the models' forecasts on real prices: every change of a model shows its effect here."""
