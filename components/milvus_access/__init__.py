"""Who may use Milvus: the password of `root`, that Milvus really has it, and the databases, users and roles of everybody else.

Milvus keeps no note of who made what. So a role is made first, whose name holds a hash of the owner: a user or a database without the role
of the same name is somebody else's and is left alone; with it, it is what an interrupted run of ours began.
"""
