"""Specs that several tests read."""

from __future__ import annotations

DESIGN = """\
name: cpu
description: Does a pure-Python loop gain from threads, or only from processes?
workload:
  call: experiments.cpu:sum_of_squares
  kwargs: {n: 20_000}
tasks: 4
models:
  - sequential
  - event_loop
  - threads
  - {model: processes, start_method: spawn, label: processes}
matrix:
  workers: [1, 2]
  kwargs.n: [2_000, 20_000]
baseline: sequential
measure: {precision: 2%, tie: 3%, max_time: 60s, timeout: 30s, seed: 1}
expect:
  - {of: threads, metric: speedup, max: 1.2}
  - {of: processes, where: {workers: 2}, metric: speedup, min: 1.5}
  - {of: processes, where: {workers: 2}, against: threads, metric: speedup, min: 1.4}
"""
