"""Strings: functions composed k deep, graded to the letter."""
