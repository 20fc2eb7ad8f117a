"""Scores of a prediction, each with its specification in loops::

labels     confusion_matrix, iou_per_class, mean_iou, pixel_accuracy, threshold_counts, road_scores
saliency   mae, f_curve, max_f, e_curve, e_measure, s_measure
"""
