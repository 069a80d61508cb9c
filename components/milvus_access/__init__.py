"""Who may use Milvus: the password of `root`, and that Milvus really has it."""
