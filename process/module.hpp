// Addresses of functions as they travel between processes of one program.
#pragma once

#include <cstdint>
#include <string>

#include <steward/core/reader.hpp>
#include <steward/core/writer.hpp>

namespace steward::detail::process {

// A place in the program or in one of its shared libraries: the offset in that module, and what
// tells the module from others. A value.
struct CodeAddress {
  std::string module;    // its file; empty for the program itself
  std::string build_id;  // may be empty: the linker was told not to write one
  std::uint64_t offset = 0;
};

// Throws BadCall if no module holds the address.
CodeAddress locate(const void* address);

// The address in this process. Throws BadCall if the module is not loaded here, or is another
// build.
void* resolve(const CodeAddress& address);

template <class R, class... P>
CodeAddress locate_function(R (*function)(P...)) {
  return locate(reinterpret_cast<const void*>(function));
}

void encode_address(core::Writer& out, const CodeAddress& address);
CodeAddress decode_address(core::Reader& in);  // throws BadCall

}  // namespace steward::detail::process
