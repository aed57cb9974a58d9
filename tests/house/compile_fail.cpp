// Cases for steward_compile_fail(): 0 and 3 compile, the others do not.

#if CASE == 1
char narrow{1000};
#elif CASE == 2
static_assert(false, "said in plain English");
#endif
