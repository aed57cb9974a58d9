#include <steward/pool/calls.hpp>

#include <cstdint>

#include <steward/process/status.hpp>

namespace steward::detail::pool {

void append_failure(std::string& results) {
  const std::string failure = process::pack_exception(process::record_exception());
  append_bytes(results, CallEnd::threw);
  append_bytes(results, std::uint64_t{failure.size()});
  results += failure;
}

void throw_failed_call(MessageReader& results) {
  process::throw_exception(results.bytes(results.number<std::uint64_t>()));
}

}  // namespace steward::detail::pool
