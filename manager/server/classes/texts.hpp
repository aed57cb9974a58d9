// What the built-in classes say in errors and when they are printed, so that they all say it alike.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <steward/core/value.hpp>

namespace steward::detail::server {

// A value as spaced JSON, cut to a length that suits an error's text.
std::string brief(const Value& value);

// "index 7 is out of range (size 2)"
std::string index_out_of_range(std::int64_t index, std::size_t size);

// "key "x" is not there"
std::string missing_key(const Value& key);

// How many bytes of its contents an object shows; nullopt: all.
using TextLimit = std::optional<std::uint64_t>;

// The first `limit` bytes, and "..." if there are more.
std::string cut_text(std::string text, TextLimit limit);

// Spaced JSON of a container, item by item: no copy of the contents is made, and nothing is printed
// beyond the limit.
class ContentsPrinter {
 public:
  explicit ContentsPrinter(TextLimit limit) : limit_(limit) {}

  // What comes now would not be shown.
  bool full() const { return limit_ && out_.size() > *limit_; }

 protected:
  void begin_item();
  void print(const Value& value);
  std::string finish(char close) &&;

  std::string out_;

 private:
  const TextLimit limit_;
};

class ListPrinter : public ContentsPrinter {
 public:
  explicit ListPrinter(TextLimit limit) : ContentsPrinter(limit) { out_ = '['; }
  void item(const Value& value);
  std::string finish() && { return std::move(*this).ContentsPrinter::finish(']'); }
};

class MapPrinter : public ContentsPrinter {
 public:
  explicit MapPrinter(TextLimit limit) : ContentsPrinter(limit) { out_ = '{'; }
  void entry(const Value& key, const Value& value);
  std::string finish() && { return std::move(*this).ContentsPrinter::finish('}'); }
};

}  // namespace steward::detail::server
