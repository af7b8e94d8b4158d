"""Base parts, trained from nothing: tokenizer, language model, ImageBind, VAE, diffusion."""
