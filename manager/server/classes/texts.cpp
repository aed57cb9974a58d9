#include <steward/manager/server/classes/texts.hpp>

#include <utility>

#include <fmt/format.h>

namespace steward::server {

std::string brief(const Value& value) {
  constexpr std::size_t kBytes = 200;
  return core::json_prefix(value, kBytes);
}

std::string index_out_of_range(std::int64_t index, std::size_t size) {
  return fmt::format("index {} is out of range (size {})", index, size);
}

std::string missing_key(const Value& key) { return fmt::format("key {} is not there", brief(key)); }

void ListPrinter::item(const Value& value) {
  if (out_.size() > 1) out_ += ", ";
  out_ += value.json();
}

std::string ListPrinter::finish() && { return std::move(out_) + ']'; }

void MapPrinter::entry(const Value& key, const Value& value) {
  if (out_.size() > 1) out_ += ", ";
  out_ += key.json();
  out_ += ": ";
  out_ += value.json();
}

std::string MapPrinter::finish() && { return std::move(out_) + '}'; }

}  // namespace steward::server
