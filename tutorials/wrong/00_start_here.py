# %% exercise="confusion_matrix" cause="rows and columns exchanged: columns are the truth"
def count_pairs(predicted, labels, L):
    counted = labels != 255
    pairs = L * predicted[counted].astype(int) + labels[counted].astype(int)
    return np.bincount(pairs, minlength=L * L).reshape(L, L)


# %% exercise="confusion_matrix" cause="counts ignored pixels, as class 0"
def count_pairs(predicted, labels, L):
    labels = np.where(labels == 255, 0, labels)
    predicted = np.where(predicted == 255, 0, predicted)
    counts = np.zeros((L, L), int)
    np.add.at(counts, (labels, predicted), 1)
    return counts


# %% exercise="confusion_matrix" cause="counts[labels, predicted] += 1: NumPy adds each pair once"
def count_pairs(predicted, labels, L):
    counted = labels != 255
    counts = np.zeros((L, L), int)
    counts[labels[counted], predicted[counted]] += 1
    return counts


# %% exercise="confusion_matrix" cause="L times the label wraps around in 8 bits"
def count_pairs(predicted, labels, L):
    counted = labels != 255
    pairs = (L * labels[counted].astype(np.uint8) + predicted[counted].astype(np.uint8)).astype(int)
    return np.bincount(pairs, minlength=L * L)[: L * L].reshape(L, L)


# %% exercise="confusion_matrix" cause="raised ValueError: cannot reshape array"
def count_pairs(predicted, labels, L):
    counted = labels != 255
    pairs = L * labels[counted].astype(int) + predicted[counted].astype(int)
    return np.bincount(pairs).reshape(L, L)


# %% exercise="iou_per_class" cause="recall: only the true pixels are below"
def iou_of(confusion):
    return confusion.diagonal() / confusion.sum(axis=1)


# %% exercise="iou_per_class" cause="counts the intersection twice below"
def iou_of(confusion):
    return confusion.diagonal() / (confusion.sum(axis=0) + confusion.sum(axis=1))


# %% exercise="iou_per_class" cause="an absent class scores 0"
def iou_of(confusion):
    found = confusion.diagonal()
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - found
    return found / np.maximum(union, 1)


# %% exercise="iou_per_class" cause="a small number in the denominator"
def iou_of(confusion):
    found = confusion.diagonal()
    return found / (confusion.sum(axis=0) + confusion.sum(axis=1) - found + 1e-7)


# %% exercise="iou_per_class" cause="Dice, which is F1"
def iou_of(confusion):
    return 2 * confusion.diagonal() / (confusion.sum(axis=0) + confusion.sum(axis=1))


# %% exercise="mean_iou" cause="NaN as soon as one class is absent"
def mean_of_ious(confusion):
    return iou_per_class(confusion).mean()


# %% exercise="mean_iou" cause="absent classes are in the mean, as 0"
def mean_of_ious(confusion):
    return np.nansum(iou_per_class(confusion)) / len(confusion) if confusion.any() else np.nan


# %% exercise="mean_iou" cause="leaves out a class that is predicted and never there"
def mean_of_ious(confusion):
    there = confusion.sum(axis=1) > 0
    return iou_per_class(confusion)[there].mean() if there.any() else np.nan


# %% exercise="mean_iou" cause="pools the classes: all intersections over all unions"
def mean_of_ious(confusion):
    found = confusion.trace()
    return found / (2 * confusion.sum() - found) if confusion.any() else np.nan
