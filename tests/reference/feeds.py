"""What a client feeds a session: what the case gives, and for declared inputs that it does not give, what everyone means by leaving them out."""
import numpy as np

TYPES = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(float)": np.float32, "tensor(bool)": np.bool_}


def feed(session, given, past=None):
    """`given`: the case's inputs for this step (attention_mask and position_ids in full width). `past`: present tensors of the step before, by name."""
    ids = given["input_ids"]
    before = 0 if past is None else next(iter(past.values())).shape[2]
    shape = (*ids.shape[:-1], before + ids.shape[-1])
    mask = given.get("attention_mask", np.ones(shape, np.int64))
    absent = {
        "attention_mask": mask,
        "token_type_ids": np.zeros_like(ids),
        "position_ids": np.maximum(np.cumsum(mask, -1) - 1, 0)[..., -ids.shape[-1]:],
    }
    out = {}
    for declared in session.get_inputs():
        name = declared.name
        if name.startswith("past_key_values."):
            value = past["present" + name[len("past_key_values"):]] if past is not None else empty(declared, ids.shape[0])
        elif name in given:
            value = given[name]
        elif name in absent:
            value = absent[name]
        else:
            raise ValueError(f"the case has no input {name}, and nobody knows what to feed in its place")
        out[name] = np.ascontiguousarray(value, TYPES[declared.type])
    unused = [n for n in given if n not in out and n in absent and not np.array_equal(given[n], absent[n])]
    unused += [n for n in given if n not in out and n not in absent]
    if unused:
        raise ValueError(f"the model has no input {', '.join(unused)}, which the case needs")
    return out


def empty(declared, batch):
    """A past of no places: the first open size is the batch, the second the length."""
    sizes = iter([batch, 0])
    return np.zeros([d if isinstance(d, int) else next(sizes) for d in declared.shape], TYPES[declared.type])
