package templates

// TextAnswer is what somebody gets who wrote STOP, START or HELP: what is
// "stopped", "started" or "help". In the language "" it is the service's.
func (s *Set) TextAnswer(what, language string) string {
	cat, brand := s.Times(language, "").cat, clip(s.brand.Name, brandSize)
	switch what {
	case "stopped":
		return cat.must("sms.answer.stopped", "brand", brand)
	case "started":
		return cat.must("sms.answer.started", "brand", brand)
	}
	return cat.must("sms.answer.help", "brand", brand, "link", s.base)
}
