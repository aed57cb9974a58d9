#include <steward/process/module.hpp>

#include <link.h>

#include <cstring>
#include <optional>
#include <string_view>

#include <fmt/format.h>

namespace steward::detail::process {
namespace {

std::size_t padded(std::size_t size) { return (size + 3) & ~std::size_t{3}; }

// The build id among the notes of one segment; empty if it is not there.
std::string_view find_build_id(std::string_view notes) {
  while (notes.size() >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes.data(), sizeof note);
    const std::size_t name_at = sizeof note;
    const std::size_t text_at = name_at + padded(note.n_namesz);
    const std::size_t next = text_at + padded(note.n_descsz);
    if (next > notes.size()) break;
    if (note.n_type == NT_GNU_BUILD_ID &&
        notes.substr(name_at, 4) == std::string_view("GNU\0", 4)) {
      return notes.substr(text_at, note.n_descsz);
    }
    notes.remove_prefix(next);
  }
  return {};
}

std::string build_id_of(const dl_phdr_info& module) {
  for (std::size_t i = 0; i < module.dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = module.dlpi_phdr[i];
    if (part.p_type != PT_NOTE) continue;
    const auto* start = reinterpret_cast<const char*>(module.dlpi_addr + part.p_vaddr);
    const std::string_view id = find_build_id({start, part.p_memsz});
    if (!id.empty()) return std::string(id);
  }
  return {};
}

bool holds(const dl_phdr_info& module, std::uint64_t address) {
  for (std::size_t i = 0; i < module.dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = module.dlpi_phdr[i];
    const std::uint64_t start = module.dlpi_addr + part.p_vaddr;
    if (part.p_type == PT_LOAD && address >= start && address - start < part.p_memsz) return true;
  }
  return false;
}

struct Module {
  std::string file;
  std::string build_id;
  std::uint64_t base;
};

template <class Predicate>
std::optional<Module> find_module(Predicate wanted) {
  struct Search {
    Predicate& wanted;
    std::optional<Module> found;
  } search{wanted, std::nullopt};
  ::dl_iterate_phdr(
      [](dl_phdr_info* module, std::size_t, void* data) {
        auto& state = *static_cast<Search*>(data);
        if (!state.wanted(*module)) return 0;
        state.found = Module{module->dlpi_name, build_id_of(*module), module->dlpi_addr};
        return 1;
      },
      &search);
  return search.found;
}

}  // namespace

CodeAddress locate(const void* address) {
  const auto number = reinterpret_cast<std::uint64_t>(address);
  const auto found = find_module([&](const dl_phdr_info& module) { return holds(module, number); });
  if (!found) throw BadCall("the target is not a function of this program or of its libraries");
  return {found->file, found->build_id, number - found->base};
}

void* resolve(const CodeAddress& address) {
  const auto found = find_module([&](const dl_phdr_info& module) {
    return address.module == module.dlpi_name && holds(module, module.dlpi_addr + address.offset);
  });
  const std::string where = address.module.empty() ? "the program" : address.module;
  if (!found) {
    throw BadCall(fmt::format("the target is a function of {}, which the new process does not "
                              "have: for the fork server, load it before the first Manager, "
                              "Process or Pool; for StartMethod::spawn, link the program to it",
                              where));
  }
  if (found->build_id != address.build_id) {
    throw BadCall(fmt::format("the target is a function of another build of {}", where));
  }
  return reinterpret_cast<void*>(found->base + address.offset);
}

void encode_address(core::Writer& out, const CodeAddress& address) {
  out.array(3);
  out.string(address.module);
  out.bytes(address.build_id);
  out.natural(address.offset);
}

CodeAddress decode_address(core::Reader& in) {
  in.array_of(3);
  CodeAddress address;
  address.module = in.string();
  address.build_id = in.bytes();
  address.offset = in.natural();
  return address;
}

}  // namespace steward::detail::process
