#include <steward/manager/server/class.hpp>

#include <stdexcept>

namespace steward::detail::server {

void Registry::add(Class description) {
  if (find(description.name) != nullptr) {
    throw std::logic_error("class '" + std::string(description.name) + "' is registered twice");
  }
  number(description.methods);
  methods_ += description.methods.size();
  classes_.push_back(std::make_unique<const Class>(std::move(description)));
  by_name_.emplace(classes_.back()->name, classes_.back().get());
}

void Registry::number(std::vector<Method>& methods) const {
  std::size_t next = methods_;
  for (Method& method : methods) method.number = MethodNumber{static_cast<std::uint32_t>(next++)};
}

const Class* Registry::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

const Method* Registry::find(const Class& type, const core::MethodKey& key) {
  if (const auto* index = std::get_if<std::uint32_t>(&key)) {
    return *index < type.methods.size() ? &type.methods[*index] : nullptr;
  }
  // Tables are short: a scan beats a hash.
  const std::string_view name = std::get<std::string_view>(key);
  for (const Method& method : type.methods) {
    if (method.name == name) return &method;
  }
  return nullptr;
}

}  // namespace steward::detail::server
