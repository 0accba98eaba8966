"""Names of what training logs and `checkpointer.monitor` can watch; the module `seen` computes it."""

PAIR_METRICS = ("train_loss", "train_acc", "train_fpr", "val_loss", "val_acc", "val_fpr", "val_far", "val_auroc")
PIXEL_METRICS = ("train_loss", "val_loss", "val_acc", "val_miou", "val_mf1", "val_mprecision", "val_mrecall")
