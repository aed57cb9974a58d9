# build_jobs prints how many compilers may run at once: one a processor, and 2 GB of memory for each.
build_jobs() {
  local processors memory
  processors="$(nproc)"
  memory="$(awk '/^MemAvailable:/ { print int($2 / 1024 / 1024 / 2) }' /proc/meminfo)"
  echo $(( memory < 1 ? 1 : memory < processors ? memory : processors ))
}
