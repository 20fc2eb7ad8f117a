"""What speed needs and the mathematics does not. Every function here equals its plain form in ``ops`` or ``model``.

In reading order: ``digits`` (two dot products in one float), ``product`` (matrix products of packed rows), ``conv``
(packed convolution, a few rows at a time), ``network`` (the packed network). Without this folder everything still
works, only slower.
"""
