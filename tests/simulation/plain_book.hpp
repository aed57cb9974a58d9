// ListBook and DictBook: what a list and a dict hold, by the calls that were answered.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include <steward/core/errors.hpp>
#include <steward/tests/simulation/object_book.hpp>

namespace steward::detail::simulation {

class ListBook final : public ObjectBook {
 public:
  using ObjectBook::ObjectBook;
  const std::deque<std::int64_t>& items() const { return items_; }

 private:
  void begin(SeenCall& call) override {
    if (call.post) append(call);
  }
  void end(SeenCall& call, core::ErrorCode code, std::string_view payload) override {
    core::Reader reader(payload);
    if (call.post) return;
    if (call.method == "append") {
      if (code == core::ErrorCode::ok) append(call);
    } else if (call.method == "pop" && code == core::ErrorCode::ok) {
      expect(call, take_id(reader), items_.empty() ? 0 : items_.back());
      if (!items_.empty()) items_.pop_back();
    } else if (call.method == "pop" && code == core::ErrorCode::out_of_range) {
      expect(call, 0, static_cast<std::int64_t>(items_.size()));
    } else if (call.method == "size" && code == core::ErrorCode::ok) {
      expect(call, reader.integer(), static_cast<std::int64_t>(items_.size()));
    }
  }
  void append(const SeenCall& call) {
    for (const std::int64_t id : call.ids) {
      items_.push_back(id);
      shared_.effect(id);
    }
  }
  void expect(const SeenCall& call, std::int64_t got, std::int64_t right) const {
    if (got == right) return;
    broken(Promise::values_are_right, fmt::format("{} gave {}, not {}", call.text(), got, right));
  }

  std::deque<std::int64_t> items_;
};

class DictBook final : public ObjectBook {
 public:
  using ObjectBook::ObjectBook;
  const std::map<std::string, std::int64_t>& items() const { return items_; }

 private:
  void begin(SeenCall&) override {}
  // Methods of one key, which is the first argument.
  void end(SeenCall& call, core::ErrorCode code, std::string_view payload) override {
    core::Reader args(call.args);
    if (args.array() == 0) return;
    const std::string key(args.string());
    const bool ok = code == core::ErrorCode::ok;
    const auto found = items_.find(key);
    if (call.method == "set") {
      if (!ok) return;
      items_[key] = call.ids.front();
      return shared_.effect(call.ids.front());
    }
    if (!ok && code != core::ErrorCode::out_of_range) return;
    core::Reader reader(payload);
    if (ok != (found != items_.end()) || (ok && take_id(reader) != found->second)) {
      broken(Promise::values_are_right, call.text() + " of " + key + " gave something else");
    } else if (ok && call.method == "pop") {
      items_.erase(found);
    }
  }

  std::map<std::string, std::int64_t> items_;
};

}  // namespace steward::detail::simulation
