// What the built-in classes say in errors and when they are printed, so that they all say it alike.
#pragma once

#include <cstdint>
#include <string>

#include <steward/core/value.hpp>

namespace steward::server {

// A value as spaced JSON, cut to a length that suits an error's text.
std::string brief(const Value& value);

// "index 7 is out of range (size 2)"
std::string index_out_of_range(std::int64_t index, std::size_t size);

// "key "x" is not there"
std::string missing_key(const Value& key);

// Spaced JSON of a container, item by item: no copy of the contents is made.
class ListPrinter {
 public:
  void item(const Value& value);
  std::string finish() &&;

 private:
  std::string out_ = "[";
};

class MapPrinter {
 public:
  void entry(const Value& key, const Value& value);
  std::string finish() &&;

 private:
  std::string out_ = "{";
};

}  // namespace steward::server
