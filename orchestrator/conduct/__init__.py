"""How a run goes on: which block comes next and where, and the steps of one."""
