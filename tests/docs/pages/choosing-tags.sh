a_config mirrord.yaml
