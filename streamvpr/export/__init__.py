"""From trained weights to ONNX and a card. Needs the extra `export`: torch never enters a run."""
