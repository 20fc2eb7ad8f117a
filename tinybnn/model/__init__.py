"""The network, in reading order: ``blocks`` (its parts), ``net`` (the whole), ``optim`` and ``train`` (its training),
``evaluate`` (its scores), ``cost`` (its multiplications), ``deploy`` (its packed form), ``gradcheck`` (gradients by
finite differences)."""
