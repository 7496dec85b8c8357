"""Tests of the ops: definitions against known answers, backends against definitions."""
