#include <steward/manager/server/classes/texts.hpp>

#include <utility>

#include <fmt/format.h>

#include <steward/core/text.hpp>

namespace steward::detail::server {

std::string brief(const Value& value) {
  constexpr std::size_t kBytes = 200;
  return core::json_prefix(value, kBytes);
}

std::string index_out_of_range(std::int64_t index, std::size_t size) {
  return fmt::format("index {} is out of range (size {})", index, size);
}

std::string missing_key(const Value& key) { return fmt::format("key {} is not there", brief(key)); }

std::string cut_text(std::string text, TextLimit limit) {
  if (!limit || text.size() <= *limit) return text;
  text.resize(core::cut(text, *limit).size());
  return text + "...";
}

void ContentsPrinter::begin_item() {
  if (out_.size() > 1) out_ += ", ";
}

void ContentsPrinter::print(const Value& value) {
  out_ += limit_ ? core::json_prefix(value, *limit_) : value.json();
}

std::string ContentsPrinter::finish(char close) && {
  out_ += close;
  return cut_text(std::move(out_), limit_);
}

void ListPrinter::item(const Value& value) {
  if (full()) return;
  begin_item();
  print(value);
}

void MapPrinter::entry(const Value& key, const Value& value) {
  if (full()) return;
  begin_item();
  print(key);
  out_ += ": ";
  print(value);
}

}  // namespace steward::detail::server
