"""Blocks on the workers of a Dask cluster, one host each.

On a host, `porter` is a plugin of the Dask worker that unpacks the `parcel` and starts an `agent`, a process of its own
that runs blocks as this machine would. `dask` is the side of the conductor, `scheduler` what it asks first, `local` a
cluster for trying it.
"""
